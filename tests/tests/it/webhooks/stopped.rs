//! Webhooks that cannot go on: they stop and say so, and no event is left out.

use harness::{Role, ServiceId, StackOptions};
use reqwest::Method;
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use system_tests::World;
use testing::wait::eventually;

use super::{add, receiver::Receiver, show, until_accepted, world};

/// Waits until a webhook reports a problem in its stream, and returns it.
async fn problem(world: &World, webhook: &str) -> String {
    let problem = async || {
        let shown: Value = show(world, webhook).await;
        shown["progress"][0]["problem"].as_str().map(str::to_owned)
    };
    let problem = eventually("the webhook is stopped", problem).await;
    let url = format!("{}/metrics", world.stack.url(ServiceId::Notifier(0)));
    let metrics = world.request(Method::GET, &url).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("\nboxroom_notifier_webhooks_stopped{} 1.0"), "{metrics}");
    problem
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_a_newer_release_stops_its_stream() {
    let world = world(StackOptions { partitions: 1, ..StackOptions::default() }).await;
    let receiver = Receiver::start().await;
    let webhook = add(&world, &receiver, "message_posted").await;
    let ana = world.person("ana");
    let rooms = [world.open_room(&ana, "box-1", 2).await, world.open_room(&ana, "box-2", 2).await];
    ana.say(&rooms[0], "before").await.created();
    until_accepted(&receiver, 1).await;
    let sequence = world.log().await.append_envelope_from_the_future("box-1").await;
    ana.say(&rooms[1], "behind").await.created();
    let expected = format!("the envelope schema 2 is not supported by this release: {sequence} needs a newer notifier");
    assert_eq!(problem(&world, &webhook).await, expected);
    let position = show(&world, &webhook).await["progress"][0]["position"].clone();
    assert!(position.as_str().unwrap().ends_with(&format!(".{}", sequence - 1)), "{position}");
    assert_eq!(receiver.accepted(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_ends_before_a_webhook_stops_it_until_the_log_is_there_again() {
    let world = world(StackOptions { partitions: 1, ..StackOptions::default() }).await;
    let receiver = Receiver::start().await;
    let webhook = add(&world, &receiver, "message_posted").await;
    let ana = world.person("ana");
    let room = world.open_room(&ana, "box-1", 2).await;
    ana.say(&room, "before").await.created();
    until_accepted(&receiver, 1).await;
    world.stack.kill(ServiceId::Notifier(0)).await;
    let mut database = PgConnection::connect(&world.stack.database_url(Role::Admin)).await.unwrap();
    let mut move_by = async |statement: &'static str| sqlx::query(statement).execute(&mut database).await.unwrap();
    move_by("update delivery.webhook_cursors set position = position + 100").await;
    world.stack.spawn(ServiceId::Notifier(0)).await.unwrap();
    let problem = problem(&world, &webhook).await;
    assert!(problem.starts_with("the log ends at ") && problem.ends_with(": it has lost events"), "{problem}");
    ana.say(&room, "behind").await.created();
    world.stack.kill(ServiceId::Notifier(0)).await;
    assert_eq!(receiver.accepted(), 1);
    move_by("update delivery.webhook_cursors set position = position - 100").await;
    world.stack.spawn(ServiceId::Notifier(0)).await.unwrap();
    until_accepted(&receiver, 2).await;
    eventually("the problem is solved", async || {
        show(&world, &webhook).await["progress"][0]["problem"].is_null().then_some(())
    })
    .await;
}
