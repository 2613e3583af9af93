//! Tests of claims on nicknames that look alike, and of the users of earlier releases, who have no such claims.

use std::sync::Arc;

use domain::{User, UserCommand};
use event_store::{Claimed, Log, NicknameClaims, log::Range};
use testing::{
    EarlierRelease,
    commands::{by, executor, user},
};
use tokio::task::JoinSet;
use unicode_normalization::UnicodeNormalization;
use wire::{StreamName, subject};

use super::registering::{register, rename, taken};

/// Reads on to the end, and returns the number of examined users.
async fn migrate(claims: &mut NicknameClaims) -> usize {
    let mut examined = 0;
    loop {
        let claimed = claims.advance(&by("system")).await.unwrap();
        examined += claimed.examined;
        if claimed.sequence == claimed.end {
            return examined;
        }
    }
}

/// The commits on the subject of a claim.
async fn claims_on(log: &Arc<dyn Log>, nickname: &str) -> usize {
    let subject = subject::nickname_claim_v2(nickname);
    let range =
        Range { stream: StreamName::User, from: 1, subject: Some(&subject), max_messages: 100, max_bytes: 1 << 20 };
    log.read(range).await.unwrap().len()
}

async fn end(log: &Arc<dyn Log>) -> u64 {
    log.state(StreamName::User).await.unwrap().last_sequence
}

pub(crate) async fn names_that_look_alike_are_one_name(log: Arc<impl Log>) {
    let users = executor::<User>(&log);
    register(&users, "ann", "Bob").await.unwrap();
    register(&users, "bob", "김밥").await.unwrap();
    register(&users, "eve", "ace").await.unwrap();
    let decomposed: String = "김밥".nfd().collect();
    for alike in ["bob", " bob ", "Ｂob", "Bob\u{200B}", "김밥", decomposed.as_str(), "асе"] {
        assert!(taken(&register(&users, "dan", alike).await), "{alike}");
        assert!(taken(&rename(&users, if alike == "асе" { "ann" } else { "eve" }, alike).await), "{alike}");
    }
    for (number, other) in ["Вова", "Иван", "田中", "محمد", "🍕"].into_iter().enumerate() {
        register(&users, &format!("user{number}"), other).await.unwrap();
    }
    // A user may change to a name that looks like the own one.
    rename(&users, "ann", "Ｂob").await.unwrap();
    assert!(taken(&register(&users, "dan", "Bob").await));
}

pub(crate) async fn one_of_many_users_gets_a_name_and_all_that_look_like_it(log: Arc<impl Log>) {
    let processes = [executor::<User>(&log), executor::<User>(&log)];
    let mut registrations = JoinSet::new();
    for index in 0..30 {
        let users = processes[index % 2].clone();
        let nickname = ["ace", "асе", "ａce"][index % 3];
        registrations.spawn(async move { register(&users, &format!("user{index}"), nickname).await });
    }
    let answers = registrations.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| taken(answer)).count(), 29);
}

pub(crate) async fn a_name_is_released_for_all_that_look_like_it(log: Arc<impl Log>) {
    let users = executor::<User>(&log);
    register(&users, "ann", "ace").await.unwrap();
    register(&users, "bob", "Windy").await.unwrap();
    assert!(taken(&rename(&users, "bob", "асе").await));
    rename(&users, "ann", "Rainy").await.unwrap();
    rename(&users, "bob", "асе").await.unwrap();
    assert!(taken(&rename(&users, "ann", "ace").await));
    users.execute(&user("bob"), UserCommand::EraseUser, by("bob")).await.unwrap();
    rename(&users, "ann", "ace").await.unwrap();
    assert!(taken(&register(&users, "eve", "асе").await));
}

pub(crate) async fn users_of_earlier_releases_get_their_claims(log: Arc<impl Log>) {
    let log: Arc<dyn Log> = log;
    let earlier = EarlierRelease { log: &log };
    earlier.register("ann", "Bob").await;
    earlier.register("bob", "Sunny").await;
    earlier.rename("bob", "Sunny", "김밥").await;
    earlier.register("eve", "Windy").await;
    earlier.erase("eve", "Windy").await;
    assert_eq!(migrate(&mut NicknameClaims::new(log.clone(), 4)).await, 3);
    assert_eq!([claims_on(&log, "Bob").await, claims_on(&log, "김밥").await], [1, 1]);
    assert_eq!([claims_on(&log, "Sunny").await, claims_on(&log, "Windy").await], [0, 0]);
    // Repeats change nothing.
    let before = end(&log).await;
    assert_eq!(migrate(&mut NicknameClaims::new(log.clone(), 4)).await, 3);
    assert_eq!(end(&log).await, before);
}

pub(crate) async fn the_oldest_of_the_users_whose_names_look_alike_gets_the_claim(log: Arc<impl Log>) {
    let shared: Arc<dyn Log> = log.clone();
    let earlier = EarlierRelease { log: &shared };
    for (user_id, nickname) in [("ann", "Bob"), ("bob", "Bоb"), ("eve", "Bob\u{200B}")] {
        earlier.register(user_id, nickname).await;
    }
    migrate(&mut NicknameClaims::new(shared.clone(), 4)).await;
    let users = executor::<User>(&log);
    for (user_id, nickname) in [("ann", "Bob"), ("bob", "Bоb"), ("eve", "Bob\u{200B}")] {
        assert_eq!(users.load_latest(&user(user_id)).await.unwrap().0.nickname(), Some(nickname), "names are kept");
    }
    // The others leave their names without the claim, and cannot take them again.
    rename(&users, "bob", "Rob").await.unwrap();
    assert!(taken(&rename(&users, "bob", "Ｂob").await));
    users.execute(&user("eve"), UserCommand::EraseUser, by("eve")).await.unwrap();
    assert!(taken(&register(&users, "dan", "Ｂob").await));
    rename(&users, "ann", "Sunny").await.unwrap();
    register(&users, "dan", "Ｂob").await.unwrap();
}

pub(crate) async fn an_interrupted_migration_continues_where_it_was(log: Arc<impl Log>) {
    let log: Arc<dyn Log> = log;
    let earlier = EarlierRelease { log: &log };
    for number in 0..600 {
        earlier.register(&format!("user{number}"), &format!("Sunny {number}")).await;
    }
    let first = NicknameClaims::new(log.clone(), 4).advance(&by("system")).await.unwrap();
    assert_eq!(first, Claimed { sequence: 1000, end: 1200, examined: 500 });
    // 500 claims and the record follow the users.
    let mut claims = NicknameClaims::new(log.clone(), 4);
    let second = claims.advance(&by("system")).await.unwrap();
    assert_eq!(second, Claimed { sequence: 1701, end: 1701, examined: 100 });
    assert_eq!(migrate(&mut claims).await, 0);
    assert_eq!(end(&log).await, 1801);
    for number in [0, 499, 500, 599] {
        assert_eq!(claims_on(&log, &format!("Sunny {number}")).await, 1);
    }
}

pub(crate) async fn concurrent_migrations_claim_once(log: Arc<impl Log>) {
    let log: Arc<dyn Log> = log;
    let earlier = EarlierRelease { log: &log };
    for number in 0..100 {
        earlier.register(&format!("user{number}"), &format!("Sunny {number}")).await;
    }
    let mut migrations = JoinSet::new();
    for _ in 0..3 {
        let log = log.clone();
        migrations.spawn(async move { migrate(&mut NicknameClaims::new(log, 4)).await });
    }
    migrations.join_all().await;
    for number in 0..100 {
        assert_eq!(claims_on(&log, &format!("Sunny {number}")).await, 1);
    }
    assert_eq!(end(&log).await, 300);
}

pub(crate) async fn changes_by_an_earlier_release_are_noticed(log: Arc<impl Log>) {
    let shared: Arc<dyn Log> = log.clone();
    let (earlier, users) = (EarlierRelease { log: &shared }, executor::<User>(&log));
    let mut claims = NicknameClaims::new(shared.clone(), 4);
    register(&users, "ann", "Sunny").await.unwrap();
    assert_eq!(migrate(&mut claims).await, 0, "a user of this release has the claims");
    earlier.register("bob", "Windy").await;
    assert_eq!(migrate(&mut claims).await, 1);
    assert!(taken(&register(&users, "eve", "Windy\u{200B}").await));
    earlier.rename("ann", "Sunny", "Rainy").await;
    assert_eq!(migrate(&mut claims).await, 1);
    assert!(taken(&register(&users, "eve", "Ｒainy").await));
    assert_eq!(migrate(&mut NicknameClaims::new(shared.clone(), 4)).await, 2);
}

pub(crate) async fn a_claim_under_a_changed_name_does_not_count(log: Arc<impl Log>) {
    let shared: Arc<dyn Log> = log.clone();
    let (earlier, users) = (EarlierRelease { log: &shared }, executor::<User>(&log));
    register(&users, "ann", "Bob").await.unwrap();
    earlier.rename("ann", "Bob", "Rob").await;
    // The user takes the own claim again, and leaves it.
    rename(&users, "ann", "Bob").await.unwrap();
    assert!(taken(&register(&users, "eve", "Ｂob").await));
    earlier.rename("ann", "Bob", "Rob").await;
    register(&users, "eve", "Ｂob").await.unwrap();
    assert!(taken(&rename(&users, "ann", "Bob").await));
    rename(&users, "ann", "Sunny").await.unwrap();
    assert!(taken(&register(&users, "dan", "Bob").await), "the claim of another user is not released");
    register(&users, "bob", "Windy").await.unwrap();
    earlier.erase("bob", "Windy").await;
    register(&users, "dan", "Ｗindy").await.unwrap();
}
