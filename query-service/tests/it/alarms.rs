//! Alarms on a connection: each is sent once, independently of followed rooms and lost notifications.

use serde_json::json;

use super::{watcher::Watcher, world::World};

async fn connected(world: &World, user: &str) -> Watcher {
    let mut watcher = world.connect().await;
    watcher.say(json!({ "type": "hello", "token": world.token(user) })).await;
    assert_eq!(watcher.next().await["type"], "welcome");
    watcher
}

/// Checks that the next frames are alarms about these messages.
async fn alarms(watcher: &mut Watcher, messages: impl IntoIterator<Item = i64>) {
    for message in messages {
        let alarm = watcher.next().await;
        assert_eq!((&alarm["type"], &alarm["message_id"]), (&"alarm".into(), &message.to_string().into()), "{alarm}");
    }
}

#[tokio::test]
async fn alarms_are_sent_to_every_connection_of_their_user_only() {
    let world = World::start().await;
    let mut ana = connected(&world, "ana").await;
    let mut ben = connected(&world, "ben").await;
    world.alarm(41).await;
    world.publish_alarm(41).await;
    assert_eq!(
        ana.next().await,
        json!({
            "type": "alarm", "id": "box-1-41-mention", "kind": "mention", "at": "2026-01-03T13:00:00Z",
            "room": "north.2", "message_id": "41", "by": "ben",
        })
    );
    // A connection that begins now finds earlier alarms in the list.
    let mut second = connected(&world, "ana").await;
    world.alarm(42).await;
    world.publish_alarm(42).await;
    for watcher in [&mut ana, &mut second] {
        alarms(watcher, [42]).await;
    }
    for watcher in [&mut ana, &mut second, &mut ben] {
        watcher.say(json!({ "type": "unsubscribe", "room": "north.2" })).await;
        assert_eq!(watcher.next().await["code"], "not-subscribed", "and no alarm before");
    }
}

#[tokio::test]
async fn a_lost_alarm_is_recovered_and_a_repeated_one_is_ignored() {
    let world = World::start().await;
    let mut ana = connected(&world, "ana").await;
    world.alarm(41).await;
    world.publish_alarm(41).await;
    alarms(&mut ana, [41]).await;
    // The notification of 42 is lost, and that of 43 does not reveal it.
    for position in 42..=43 {
        world.alarm(position).await;
    }
    world.publish_alarm(43).await;
    alarms(&mut ana, [43, 42]).await;
    for position in 40..=43 {
        world.publish_alarm(position).await;
    }
    for stream in ["box-0", "box-1"] {
        world.project(stream, 43).await;
    }
    world.alarm(44).await;
    world.publish_alarm(44).await;
    alarms(&mut ana, [44]).await;
}

#[tokio::test]
async fn alarms_of_an_outage_are_sent_after_it() {
    let world = World::start().await;
    let mut ana = connected(&world, "ana").await;
    world.alarm(41).await;
    world.publish_alarm(41).await;
    alarms(&mut ana, [41]).await;
    world.nats.kill().await;
    for position in 42..=44 {
        world.alarm(position).await;
    }
    world.nats.start_again().await.unwrap();
    alarms(&mut ana, 42..=44).await;
    world.publish_alarm(44).await;
    world.alarm(45).await;
    world.publish_alarm(45).await;
    alarms(&mut ana, [45]).await;
}
