//! Further requests on a connection, and their limits: newer tokens, and pages of the feed.

use std::time::Duration;

use serde_json::json;

use super::world::World;

#[tokio::test]
async fn connections_are_limited_per_user_and_a_closed_one_frees_its_slot() {
    let world = World::with(&["--connections-per-user", "2"]).await;
    let mut first = world.watch("ben", None).await;
    let second = world.watch("ben", None).await;
    first.next().await;
    let mut third = world.connect().await;
    third.say(json!({ "type": "hello", "token": world.token("ben") })).await;
    assert_eq!(third.next().await["code"], "too-many-connections");
    assert_eq!(third.bye().await, (4004, "too-many-connections".to_owned()));
    // Neither other users nor existing connections are affected.
    world.watch("ana", None).await.next().await;
    world.happen(10, "message_posted", "ana", json!({ "body": "hi" })).await;
    first.events([10]).await;

    drop(second);
    let again = async || {
        let mut watcher = world.connect().await;
        watcher.say(json!({ "type": "hello", "token": world.token("ben") })).await;
        watcher.next().await["type"] == "welcome"
    };
    world.until("there is room again", again).await;
}

#[tokio::test]
async fn frames_beyond_the_rate_are_rejected_and_then_close_the_connection() {
    let world = World::start().await;
    let mut ana = world.watch("ana", None).await;
    ana.next().await;
    let mut ben = world.watch("ben", None).await;
    ben.next().await;
    for _ in 0..2_000 {
        if ben.try_say(json!({ "type": "pong" })).await.is_err() {
            break;
        }
    }
    let mut refused = 0;
    let mut frame = ben.next().await;
    while frame["type"] == "error" {
        assert_eq!(frame["code"], "too-many-frames");
        refused += 1;
        frame = ben.next().await;
    }
    assert_eq!((refused, &frame["code"], &frame["reason"]), (60, &4302.into(), &"too-many-frames".into()));
    // A burst within the limit is accepted.
    for id in 0..50 {
        ana.say(json!({ "type": "fetch", "id": id, "room_id": "north.2", "after_v": 9 })).await;
    }
    for id in 0..50 {
        assert_eq!(ana.next().await["id"], id);
    }
}

#[tokio::test]
async fn a_newer_token_extends_the_connection() {
    let world = World::start().await;
    let mut ben = world.connect().await;
    let short = world.short_token("ben", Duration::from_secs(2));
    ben.say(json!({ "type": "hello", "token": short, "rooms": [{ "room_id": "north.2" }] })).await;
    assert_eq!(ben.next().await["type"], "welcome");
    assert_eq!(ben.next().await["type"], "subscribed");
    // An invalid token changes nothing.
    for (token, code) in [("x".to_owned(), "invalid-token"), (world.expired_token("ben"), "expired-token")] {
        ben.say(json!({ "type": "auth", "id": code, "token": token })).await;
        let refusal = ben.next().await;
        assert_eq!((&refusal["type"], &refusal["code"], &refusal["id"]), (&"error".into(), &code.into(), &code.into()));
    }
    ben.say(json!({ "type": "auth", "id": 1, "token": world.short_token("ben", Duration::from_secs(4)) })).await;
    let authorized = ben.next().await;
    assert_eq!((&authorized["type"], &authorized["id"]), (&"authorized".into(), &1.into()));
    let said = std::time::Instant::now();
    assert_eq!(ben.bye().await, (4200, "expired-token".to_owned()));
    assert!(said.elapsed() > Duration::from_millis(2_500), "the first token ended long before");
}

#[tokio::test]
async fn another_users_token_ends_the_session() {
    let world = World::start().await;
    let mut ben = world.watch("ben", None).await;
    ben.next().await;
    ben.say(json!({ "type": "auth", "token": world.token("ana") })).await;
    assert_eq!(ben.bye().await, (4100, "other-user".to_owned()));
}

#[tokio::test]
async fn members_fetch_pages_of_a_feed_without_a_subscription() {
    let world = World::start().await;
    world.append_messages(10..=250).await;
    let mut ben = world.connect().await;
    ben.say(json!({ "type": "hello", "token": world.token("ben") })).await;
    ben.next().await;
    for (id, after_v, to_v) in [(1, 0, 200), (2, 200, 250), (3, 250, 250), (4, 999, 250)] {
        ben.say(json!({ "type": "fetch", "id": id, "room_id": "north.2", "after_v": after_v })).await;
        ben.events(after_v + 1..=to_v).await;
        let fetched = json!({ "type": "fetched", "id": id, "room_id": "north.2", "to_v": to_v, "head_v": 250 });
        assert_eq!(ben.next().await, fetched);
    }
    // A fetch is not a subscription.
    world.happen(251, "message_posted", "ana", json!({ "body": "hi" })).await;
    for (user, code) in [("cem", "not-a-member"), ("dan", "kicked"), ("eve", "not-a-member")] {
        let mut watcher = world.connect().await;
        watcher.say(json!({ "type": "hello", "token": world.token(user) })).await;
        watcher.next().await;
        watcher.say(json!({ "type": "fetch", "room_id": "north.2", "after_v": 0 })).await;
        let refusal = watcher.next().await;
        assert_eq!((&refusal["room_id"], &refusal["code"]), (&"north.2".into(), &code.into()), "{user}");
    }
    for bad in [r#"{"type":"fetch","room_id":"north.2"}"#, r#"{"type":"fetch","room_id":"north.2","after_v":-1}"#] {
        ben.say_text(bad).await;
        assert_eq!(ben.next().await["code"], "invalid-frame");
    }
}
