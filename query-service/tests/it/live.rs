//! Live connections: subscribing, following, leaving and closing.

use std::time::Duration;

use serde_json::json;

use super::world::World;

#[tokio::test]
async fn a_member_receives_events_as_they_happen() {
    let world = World::start().await;
    let mut ben = world.watch("ben", None).await;
    assert_eq!(
        ben.next().await,
        json!({ "type": "subscribed", "room_id": "north.2", "head_v": 9, "recovered": false })
    );
    world.happen(10, "message_posted", "ana", json!({ "body": "hi" })).await;
    assert_eq!(
        ben.next().await,
        json!({
            "room_id": "north.2", "v": 10, "type": "message_posted", "at": "2026-01-03T13:00:00Z", "by": "ana",
            "data": {
                "message_id": "1010", "author": "ana", "body": "hi", "erased": false, "reply_to": null,
                "mentions": [], "mentions_all": false,
            },
        })
    );
    // The same event from the feed is identical.
    let mut ana = world.watch("ana", Some(9)).await;
    assert_eq!(ana.next().await["recovered"], true);
    assert_eq!(
        ana.next().await,
        json!({
            "room_id": "north.2", "v": 10, "type": "message_posted", "at": "2026-01-03T13:00:00Z", "by": "ana",
            "data": {
                "message_id": "1010", "author": "ana", "body": "hi", "erased": false, "reply_to": null,
                "mentions": [], "mentions_all": false,
            },
        })
    );
}

#[tokio::test]
async fn a_kick_is_the_last_event_of_a_subscription() {
    let world = World::start().await;
    let mut ben = world.watch("ben", None).await;
    let mut ana = world.watch("ana", None).await;
    assert_eq!(
        (ben.next().await["type"].clone(), ana.next().await["type"].clone()),
        ("subscribed".into(), "subscribed".into())
    );
    world.sql("update members set standing = 'kicked' where user_id = 'ben'").await;
    world.happen(10, "member_kicked", "ana", json!({ "user_id": "ben" })).await;
    world.happen(11, "message_posted", "ana", json!({ "body": "at last" })).await;
    ana.events(10..=11).await;
    assert_eq!(ben.event().await, (10, "member_kicked".to_owned()));
    assert_eq!(ben.next().await, json!({ "type": "unsubscribed", "room_id": "north.2", "reason": "kicked" }));
    ben.say(json!({ "type": "subscribe", "id": "again", "room_id": "north.2" })).await;
    let refusal = ben.next().await;
    assert_eq!(
        (&refusal["type"], &refusal["id"], &refusal["code"]),
        (&"error".into(), &"again".into(), &"kicked".into())
    );
}

#[tokio::test]
async fn a_former_member_gets_only_the_parting_event_at_any_version() {
    let world = World::start().await;
    let withheld =
        |head_v| json!({ "type": "reset", "room_id": "north.2", "reason": "no-longer-inside", "head_v": head_v });
    let begins = |head_v| json!({ "type": "subscribed", "room_id": "north.2", "head_v": head_v, "recovered": false });
    let ends = |reason: &str| json!({ "type": "unsubscribed", "room_id": "north.2", "reason": reason });
    for (user, v, parting) in [("dan", 0, "kicked"), ("dan", 5, "kicked"), ("cem", 0, "left"), ("cem", 3, "left")] {
        let parting_v = if user == "dan" { 7 } else { 5 };
        let mut watcher = world.watch(user, Some(v)).await;
        assert_eq!(watcher.next().await, withheld(parting_v - 1), "{user} after {v}");
        assert_eq!(watcher.next().await, begins(parting_v));
        assert_eq!(watcher.event().await, (parting_v, format!("member_{parting}")));
        assert_eq!(watcher.next().await, ends(parting));
        // The same later on the connection.
        watcher.say(json!({ "type": "subscribe", "id": 1, "room_id": "north.2", "v": v })).await;
        assert_eq!(watcher.next().await, withheld(parting_v - 1), "{user} after {v}");
        assert_eq!(watcher.next().await["type"], "subscribed");
        assert_eq!(watcher.event().await, (parting_v, format!("member_{parting}")));
        assert_eq!(watcher.next().await, ends(parting));
    }
    let mut dan = world.watch("dan", Some(6)).await;
    assert_eq!(dan.next().await["recovered"], true, "the parting event is the next one");
    dan.events([7]).await;
    assert_eq!(dan.next().await, ends("kicked"));
    for v in [json!(7), json!(9), json!(100), json!(null)] {
        dan.say(json!({ "type": "subscribe", "id": 1, "room_id": "north.2", "v": v })).await;
        assert_eq!(dan.next().await["code"], "kicked");
    }

    let mut cem = world.watch("cem", Some(4)).await;
    assert_eq!(cem.next().await["type"], "subscribed");
    assert_eq!(cem.event().await, (5, "member_left".to_owned()));
    assert_eq!(cem.next().await["reason"], "left");
    // There is nothing left to resume.
    for v in [json!(5), json!(null)] {
        cem.say(json!({ "type": "subscribe", "id": 1, "room_id": "north.2", "v": v })).await;
        assert_eq!(cem.next().await["code"], "not-a-member");
    }
}

#[tokio::test]
async fn rooms_are_refused_individually() {
    let world = World::start().await;
    let mut eve = world.connect().await;
    let rooms = json!([{ "room_id": "north.2" }, { "room_id": "north.9", "v": 3 }, { "room_id": "north.1" }]);
    eve.say(json!({ "type": "hello", "token": world.token("eve"), "rooms": rooms })).await;
    let welcome = eve.next().await;
    assert_eq!((&welcome["type"], &welcome["heartbeat_ms"]), (&"welcome".into(), &25_000.into()));
    assert!(welcome["session"].is_string());
    let refusal = eve.next().await;
    assert_eq!((&refusal["room_id"], &refusal["code"]), (&"north.2".into(), &"not-a-member".into()));
    assert_eq!(eve.next().await["code"], "room-not-found");
    assert_eq!(eve.next().await["room_id"], "north.1");

    assert_eq!(eve.next().await, json!({ "type": "unsubscribed", "room_id": "north.1", "reason": "closed" }));
    eve.say(json!({ "type": "unsubscribe", "id": 5, "room_id": "north.1" })).await;
    assert_eq!(eve.next().await["code"], "not-subscribed");
}

#[tokio::test]
async fn an_unsubscription_is_confirmed() {
    let world = World::start().await;
    let mut ben = world.watch("ben", None).await;
    ben.next().await;
    ben.say(json!({ "type": "unsubscribe", "id": 4, "room_id": "north.2" })).await;
    assert_eq!(
        ben.next().await,
        json!({ "type": "unsubscribed", "id": 4, "room_id": "north.2", "reason": "requested" })
    );
    ben.say(json!({ "type": "unsubscribe", "id": 5, "room_id": "north.2" })).await;
    assert_eq!(ben.next().await["code"], "not-subscribed");
}

#[tokio::test]
async fn bad_frames_are_answered_and_bad_hellos_close_the_connection() {
    let world = World::start().await;
    let mut ben = world.watch("ben", None).await;
    ben.next().await;
    for bad in [
        "",
        "{",
        "[]",
        r#"{"type":"dance"}"#,
        r#"{"type":"subscribe","room_id":"north.2","v":-1}"#,
        r#"{"type":"hello","token":"x"}"#,
    ] {
        ben.say_text(bad).await;
        let refusal = ben.next().await;
        assert_eq!((&refusal["type"], &refusal["code"]), (&"error".into(), &"invalid-frame".into()), "{bad}");
    }
    ben.say_text(&"x".repeat(16 * 1024 + 1)).await;
    assert_eq!(ben.bye().await, (4301, "frame-too-large".to_owned()));

    for (hello, code, bye) in [
        (json!({ "type": "pong" }), "invalid-frame", (4300, "hello-expected")),
        (json!({ "type": "hello", "token": "x" }), "invalid-token", (4201, "invalid-token")),
        (json!({ "type": "hello", "token": world.expired_token("ben") }), "expired-token", (4200, "expired-token")),
    ] {
        let mut watcher = world.connect().await;
        watcher.say(hello).await;
        assert_eq!(watcher.next().await["code"], code);
        assert_eq!(watcher.bye().await, (bye.0, bye.1.to_owned()));
    }
}

#[tokio::test]
async fn a_connection_ends_with_its_token() {
    let world = World::start().await;
    let mut watcher = world.connect().await;
    let token = world.short_token("ben", Duration::from_secs(2));
    watcher.say(json!({ "type": "hello", "token": token })).await;
    assert_eq!(watcher.next().await["type"], "welcome");
    assert_eq!(watcher.bye().await, (4200, "expired-token".to_owned()));
}

#[tokio::test]
async fn a_stopping_service_sends_a_bye() {
    let mut world = World::start().await;
    let mut ben = world.watch("ben", None).await;
    let mut silent = world.connect().await;
    ben.next().await;
    world.stop();
    let bye = ben.next().await;
    assert_eq!((&bye["type"], &bye["code"]), (&"bye".into(), &4000.into()));
    assert!(bye["retry_ms"].as_u64().unwrap() < 5_000);
    assert_eq!(silent.bye().await, (4000, "stopping".to_owned()));
    // The service does not wait for a client that does not answer the close.
    world.stopped().await;
}

#[tokio::test]
async fn a_request_without_a_handshake_gets_upgrade_required() {
    let world = World::start().await;
    let (status, problem) = world.get("ben", "/live").await;
    assert_eq!((status, &problem["code"]), (426, &"upgrade-required".into()));
}
