//! A restored log: nothing of its past is told, neither from the read model of the lost log nor from a new one.

use harness::{ServiceId, StackOptions};
use push_sink::{Behaviour, Service};
use system_tests::{
    Person, World,
    pushes::{PushProviders, alarms, register_phone, until_decided},
};
use testing::wait::eventually;

const LOG_SERVICES: [ServiceId; 2] = [ServiceId::Command(0), ServiceId::Projector(0)];

/// The size of a log that takes the projector several transactions.
const COMMITS: usize = 4_000;
const TIMES: usize = 2;

/// Returns a user whose token is valid after a restore, which ends all sessions.
fn signed_in_again(world: &World, person: &Person) -> Person {
    world.bearer_of(person.id(), world.person(person.id()).token())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_from_the_read_models_of_a_lost_and_a_restored_log() {
    let providers = PushProviders::start().await;
    let world = providers.world(1, StackOptions::default()).await;
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    let phone = register_phone(&ana, "phone").await;
    let room = world.open_room(&ana, "box-1", 4).await;
    world.join(&ben, &room).await;
    ben.say(&room, "@ana").await.created();
    providers.until_accepted(Service::Fcm, &phone, 1).await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("backup");
    let folder = folder.to_str().unwrap();
    world.provision(&["backup", "--to", folder]).await;
    ben.say(&room, "lost as well").await.created();
    // Waits for another attempt while the log is lost.
    let tries = || providers.sink().received(Service::Fcm).iter().filter(|push| push.status == Some(503)).count();
    providers.behave(Service::Fcm, Behaviour { status: Some(503), ..Behaviour::default() });
    ben.say(&room, "@ana, this is lost").await.created();
    eventually("an attempt", async || (tries() > 0).then_some(())).await;

    for service in LOG_SERVICES {
        world.stack.stop(service).await.unwrap();
    }
    world.restore_log(folder).await;
    world.stack.start_again(LOG_SERVICES[0]).await.unwrap();
    world.stack.spawn(LOG_SERVICES[1]).await.unwrap();
    for words in ["rebuild --to ready --yes", "activate --unverified"] {
        eventually(&format!("a projector does `{words}`"), async || {
            let output = world.stack.operate(words).await.unwrap();
            output.status.success().then_some(())
        })
        .await;
    }
    let ben = signed_in_again(&world, &ben);
    ben.say(&room, "nothing new").await.created();
    until_decided(&world).await;
    // An alarm of the same kind at the position of the lost one.
    ben.say(&room, "@ana, again").await.created();
    until_decided(&world).await;
    providers.recover(Service::Fcm);
    let pushed = providers.until_accepted(Service::Fcm, &phone, 2).await;
    assert_eq!((pushed[1].text().1, alarms(&pushed[1])), (Some("ben: @ana, again"), 1));
    providers.expect_silence(&world, Service::Fcm, &[&phone]).await;
    assert_eq!(providers.accepted(Service::Fcm, &phone).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_while_an_empty_database_is_filled_from_a_restored_log() {
    let providers = PushProviders::start().await;
    let world = providers.world(1, StackOptions::default()).await;
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    let phone = register_phone(&ana, "phone").await;
    let room = world.open_room(&ana, "box-1", 4).await;
    world.join(&ben, &room).await;
    let message = ana.say(&room, "hello").await.created();
    ana.put(format!("/rooms/{room}/messages/{message}/reactions/%F0%9F%91%8D"), serde_json::json!({})).await.done();
    world.log().await.repeat_reaction("box-1", COMMITS, TIMES).await;
    ben.say(&room, "@ana").await.created();
    providers.until_accepted(Service::Fcm, &phone, 1).await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("backup");
    let folder = folder.to_str().unwrap();
    world.provision(&["backup", "--to", folder]).await;

    let all = [LOG_SERVICES[0], LOG_SERVICES[1], ServiceId::Query(0), ServiceId::Notifier(0)];
    for service in all {
        world.stack.stop(service).await.unwrap();
    }
    world.restore_log(folder).await;
    world.stack.postgres().start_empty().await.unwrap();
    for service in all {
        world.stack.spawn(service).await.unwrap();
    }
    let ben = eventually("the command-service answers", async || {
        let ben = signed_in_again(&world, &ben);
        let said = ben.say(&room, "nothing new").attempt().await.ok()?;
        (said.status == 201).then_some(ben)
    })
    .await;
    providers.expect_silence(&world, Service::Fcm, &[&phone]).await;
    assert_eq!(providers.accepted(Service::Fcm, &phone).len(), 1);
    ben.say(&room, "@ana, again").await.created();
    let pushed = providers.until_accepted(Service::Fcm, &phone, 2).await;
    assert_eq!(pushed[1].text().1, Some("ben: @ana, again"));
}
