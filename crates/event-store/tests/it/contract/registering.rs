//! Tests of users and their nicknames, which are unique.

use std::sync::Arc;

use domain::{User, UserCommand, UserId, UserRefusal};
use event_store::{CommandError, Committed, Executor, Log};
use testing::commands::{by, executor, keyed, user};
use tokio::task::JoinSet;
use wire::StreamName;

type Answer = Result<Committed<User>, CommandError<UserRefusal>>;

pub(super) async fn register(users: &Executor<User>, id: &str, nickname: &str) -> Answer {
    users.execute(&user(id), registration(&user(id), nickname), by(id)).await
}

fn registration(user_id: &UserId, nickname: &str) -> UserCommand {
    UserCommand::RegisterUser { user_id: user_id.clone(), nickname: nickname.to_owned().try_into().unwrap() }
}

pub(super) async fn rename(users: &Executor<User>, id: &str, nickname: &str) -> Answer {
    let nickname = nickname.to_owned().try_into().unwrap();
    users.execute(&user(id), UserCommand::ChangeNickname { nickname }, by(id)).await
}

pub(super) fn taken(answer: &Answer) -> bool {
    matches!(answer, Err(CommandError::Refused(UserRefusal::NicknameTaken)))
}

fn exists(answer: &Answer) -> bool {
    matches!(answer, Err(CommandError::Refused(UserRefusal::UserExists)))
}

pub(crate) async fn an_id_and_a_nickname_are_used_once(log: Arc<impl Log>) {
    let users = executor::<User>(&log);
    let ann = register(&users, "ann", "Sunny").await.unwrap();
    assert_eq!((ann.sequence, ann.position.stream.as_str()), (3, "user"), "the claims are before it");
    assert!(exists(&register(&users, "ann", "Windy").await));
    assert!(taken(&register(&users, "bob", "sUNNY").await));
    assert_eq!(users.load_latest(&user("ann")).await.unwrap().0.nickname(), Some("Sunny"));
    assert_eq!(log.state(StreamName::User).await.unwrap().last_sequence, 3);
}

pub(crate) async fn one_of_many_users_gets_the_nickname(log: Arc<impl Log>) {
    let processes = [executor::<User>(&log), executor::<User>(&log)];
    let mut registrations = JoinSet::new();
    for index in 0..30 {
        let users = processes[index % 2].clone();
        registrations.spawn(async move { register(&users, &format!("user{index}"), "Sunny").await });
    }
    let answers = registrations.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| taken(answer)).count(), 29);
}

pub(crate) async fn a_released_nickname_can_be_claimed(log: Arc<impl Log>) {
    let users = executor::<User>(&log);
    register(&users, "ann", "Sunny").await.unwrap();
    register(&users, "bob", "Windy").await.unwrap();
    assert!(taken(&rename(&users, "bob", "Sunny").await));
    rename(&users, "ann", "Rainy").await.unwrap();
    rename(&users, "bob", "Sunny").await.unwrap();
    assert!(taken(&rename(&users, "ann", "Sunny").await));
    rename(&users, "bob", "SUNNY").await.unwrap();
    users.execute(&user("bob"), UserCommand::EraseUser, by("bob")).await.unwrap();
    rename(&users, "ann", "Sunny").await.unwrap();
    assert!(exists(&register(&users, "bob", "Cloudy").await), "the id stays taken");
}

pub(crate) async fn a_registration_can_be_repeated(log: Arc<impl Log>) {
    let users = executor::<User>(&log);
    let command = registration(&user("ann"), "Sunny");
    let first = users.execute(&user("ann"), command.clone(), keyed("ann", "k", "Sunny")).await.unwrap();
    for users in [users, executor::<User>(&log)] {
        let again = users.execute(&user("ann"), command.clone(), keyed("ann", "k", "Sunny")).await.unwrap();
        assert_eq!((again.sequence, again.replayed), (first.sequence, true));
    }
}

pub(crate) async fn concurrent_repeats_register_once(log: Arc<impl Log>) {
    let processes = [executor::<User>(&log), executor::<User>(&log)];
    let mut repeats = JoinSet::new();
    for index in 0..20 {
        let users = processes[index % 2].clone();
        repeats.spawn(async move {
            let command = registration(&user("ann"), "Sunny");
            users.execute(&user("ann"), command, keyed("ann", "k", "Sunny")).await.unwrap().sequence
        });
    }
    assert!(repeats.join_all().await.iter().all(|sequence| *sequence == 3));
    assert_eq!(log.state(StreamName::User).await.unwrap().last_sequence, 3);
}

pub(crate) async fn concurrent_registrations_and_changes_of_nicknames_all_succeed(log: Arc<impl Log>) {
    let users = executor::<User>(&log);
    for change in [false, true] {
        let mut commands = JoinSet::new();
        for index in 0..100 {
            let (users, id) = (users.clone(), format!("user{index}"));
            commands.spawn(async move {
                if change {
                    rename(&users, &id, &format!("Windy{index}")).await
                } else {
                    register(&users, &id, &format!("Sunny{index}")).await
                }
            });
        }
        let answers = commands.join_all().await;
        let failed: Vec<_> = answers.iter().filter(|answer| answer.is_err()).collect();
        assert!(failed.is_empty(), "{} of 100: {:?}", failed.len(), failed.first());
    }
    assert_eq!(log.state(StreamName::User).await.unwrap().last_sequence, 800);
}
