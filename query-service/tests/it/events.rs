//! Server-sent events: the frames of live connections, cursors and the end of a stream.

use std::time::Duration;

use serde_json::{Value, json};

use super::{listener::Listener, world::World};

const NORTH: &str = "rooms=north.2";

fn hi() -> Value {
    json!({ "body": "hi" })
}

#[tokio::test]
async fn a_stream_carries_the_frames_of_live_connections() {
    let world = World::start().await;
    let mut ben = Listener::open(&world, "ben", NORTH).await;
    let welcome = ben.next().await;
    assert_eq!((&welcome["type"], &welcome["resumed"]), (&"welcome".into(), &json!({})));
    assert!(ben.retry_ms.unwrap() < 5_000);
    assert_eq!(
        ben.next().await,
        json!({ "type": "subscribed", "room_id": "north.2", "head_v": 9, "recovered": false })
    );
    let mut socket = world.watch("ben", None).await;
    assert_eq!(socket.next().await["type"], "subscribed");
    for v in 10..15 {
        world.happen(v, "message_posted", "ana", hi()).await;
        assert_eq!(ben.next().await, socket.next().await);
    }
}

#[tokio::test]
async fn a_listening_user_is_present() {
    let world = World::start().await;
    let mut ben = Listener::open(&world, "ben", NORTH).await;
    let _ana = Listener::open(&world, "ana", NORTH).await;
    while ben.any().await.unwrap()["users"] != json!(["ana", "ben"]) {}
}

#[tokio::test]
async fn the_last_id_resumes_an_ended_stream() {
    let world = World::start().await;
    let mut ben = Listener::open(&world, "ben", NORTH).await;
    ben.until("subscribed").await;
    let at_9 = ben.last_id.clone();
    world.happen(10, "message_posted", "ana", hi()).await;
    world.happen(11, "message_posted", "ana", hi()).await;
    ben.events([10]).await;
    let at_10 = ben.last_id.clone();
    drop(ben);
    world.happen(12, "message_posted", "ana", hi()).await;

    // An EventSource that reconnects automatically repeats the cursor in its original URL.
    let query = format!("{NORTH}&cursor={at_9}");
    let mut ben = Listener::reopen(&world, "ben", &query, &at_10).await;
    assert_eq!(ben.next().await["resumed"], json!({ "north.2": 10 }));
    assert_eq!(
        ben.next().await,
        json!({ "type": "subscribed", "room_id": "north.2", "head_v": 12, "recovered": true })
    );
    ben.events(11..=12).await;
    world.happen(13, "message_posted", "ana", hi()).await;
    ben.events([13]).await;

    // A new EventSource has the cursor in the URL only, and an empty last id or none.
    let mut ben = Listener::reopen(&world, "ben", &query, "").await;
    assert_eq!(ben.until("subscribed").await["recovered"], false);
    let mut ben = Listener::open(&world, "ben", &query).await;
    assert_eq!(ben.until("subscribed").await["recovered"], true);
    ben.events(10..=13).await;
}

#[tokio::test]
async fn a_stream_without_events_resumes_without_loss() {
    let world = World::start().await;
    let mut ben = Listener::open(&world, "ben", NORTH).await;
    ben.until("subscribed").await;
    let last_id = ben.last_id.clone();
    drop(ben);
    world.happen(10, "message_posted", "ana", hi()).await;
    let mut ben = Listener::reopen(&world, "ben", NORTH, &last_id).await;
    assert_eq!(ben.until("subscribed").await["recovered"], true);
    ben.events([10]).await;
}

#[tokio::test]
async fn a_long_absence_is_replayed_completely() {
    let world = World::start().await;
    let mut ben = Listener::open(&world, "ben", NORTH).await;
    ben.until("subscribed").await;
    let last_id = ben.last_id.clone();
    drop(ben);
    world.append_messages(10..=1009).await;
    let mut ben = Listener::reopen(&world, "ben", NORTH, &last_id).await;
    assert_eq!(ben.until("subscribed").await["head_v"], 1009);
    ben.events(10..=1009).await;
    world.happen(1010, "message_posted", "ana", hi()).await;
    ben.events([1010]).await;
}

#[tokio::test]
async fn a_cursor_of_another_feed_resets_every_room() {
    let world = World::start().await;
    for strange in ["made-up", "W10", &"A".repeat(30_000)] {
        let mut ben = Listener::open(&world, "ben", &format!("{NORTH}&cursor={strange}")).await;
        assert_eq!(ben.next().await["resumed"], json!({}));
        assert_eq!(ben.next().await, json!({ "type": "reset", "reason": "unknown-cursor" }), "alarms may be missing");
        let reset = json!({ "type": "reset", "room_id": "north.2", "reason": "unknown-version", "head_v": 9 });
        assert_eq!(ben.next().await, reset);
        assert_eq!(ben.next().await["recovered"], false);
    }
    // A cursor whose version is beyond this feed.
    let mut ben = Listener::open(&world, "ben", NORTH).await;
    ben.until("subscribed").await;
    world.sql("update rooms set v = 8 where room_id = 'north.2'").await;
    let mut ben = Listener::reopen(&world, "ben", NORTH, &ben.last_id).await;
    assert_eq!(ben.until("reset").await["head_v"], 8);
}

#[tokio::test]
async fn a_kick_is_the_last_event_of_its_room() {
    let world = World::start().await;
    let mut ben = Listener::open(&world, "ben", NORTH).await;
    let mut ana = Listener::open(&world, "ana", NORTH).await;
    ben.until("subscribed").await;
    ana.until("subscribed").await;
    let before = ben.last_id.clone();
    world.sql("update members set standing = 'kicked' where user_id = 'ben'").await;
    world.happen(10, "member_kicked", "ana", json!({ "user_id": "ben" })).await;
    world.happen(11, "message_posted", "ana", json!({ "body": "at last" })).await;
    ana.events(10..=11).await;
    ben.events([10]).await;
    assert_eq!(ben.next().await, json!({ "type": "unsubscribed", "room_id": "north.2", "reason": "kicked" }));
    // An older cursor resumes up to the kick, a newer one is refused.
    let mut late = Listener::reopen(&world, "ben", NORTH, &before).await;
    late.until("subscribed").await;
    late.events([10]).await;
    assert_eq!(late.next().await["reason"], "kicked");
    for last_id in [ben.last_id.as_str(), ""] {
        let mut again = Listener::reopen(&world, "ben", NORTH, last_id).await;
        assert_eq!(again.until("error").await["code"], "kicked");
    }
}

#[tokio::test]
async fn a_cursor_from_long_before_a_kick_yields_only_the_kick() {
    let world = World::start().await;
    let mut ben = Listener::open(&world, "ben", NORTH).await;
    ben.until("subscribed").await;
    let before = ben.last_id.clone();
    world.append_messages(10..=12).await;
    world.sql("update members set standing = 'kicked' where user_id = 'ben'").await;
    world.append(13, "member_kicked", "ana", json!({ "user_id": "ben" })).await;
    world.append_messages(14..=15).await;
    let mut late = Listener::reopen(&world, "ben", NORTH, &before).await;
    let reset = json!({ "type": "reset", "room_id": "north.2", "reason": "no-longer-inside", "head_v": 12 });
    assert_eq!(late.until("reset").await, reset);
    assert_eq!(late.until("subscribed").await["head_v"], 13);
    late.events([13]).await;
    assert_eq!(late.next().await, json!({ "type": "unsubscribed", "room_id": "north.2", "reason": "kicked" }));
    // Its id has the kick: nothing is left to come.
    let mut again = Listener::reopen(&world, "ben", NORTH, &late.last_id).await;
    assert_eq!(again.until("error").await["code"], "kicked");
}

#[tokio::test]
async fn rooms_are_refused_individually_on_streams_too() {
    let world = World::start().await;
    let mut eve = Listener::open(&world, "eve", "rooms=north.9,north.2,north.1,north.1").await;
    assert_eq!(eve.next().await["type"], "welcome");
    assert_eq!(eve.next().await["type"], "subscribed");
    assert_eq!(eve.next().await, json!({ "type": "unsubscribed", "room_id": "north.1", "reason": "closed" }));
    let refusal = eve.next().await;
    assert_eq!((&refusal["room_id"], &refusal["code"]), (&"north.2".into(), &"not-a-member".into()));
    assert_eq!(eve.next().await["code"], "room-not-found");
}

#[tokio::test]
async fn errors_are_returned_before_the_stream_begins() {
    let world = World::with(&["--connections-per-user", "2"]).await;
    let crowd = (1..=201).map(|number| format!("north.{number}")).collect::<Vec<_>>().join(",");
    for query in ["rooms=", "rooms=north", "rooms=north.1,,north.2", "room=north.2", &format!("rooms={crowd}")] {
        let (status, problem) = world.get("ben", &format!("/events?{query}")).await;
        assert_eq!((status, &problem["code"]), (400, &"invalid-query".into()), "{query}");
    }
    assert_eq!(world.plain_get("/events").await.0, 401);
    let mut first = Listener::open(&world, "ben", "").await;
    let _second = Listener::open(&world, "ben", NORTH).await;
    first.next().await;
    let (status, problem) = world.get("ben", "/events").await;
    assert_eq!((status, &problem["code"]), (429, &"too-many-connections".into()));
    drop(first);
    world.until("a place is free", async || open_status(&world).await == 200).await;
}

async fn open_status(world: &World) -> u16 {
    let token = format!("Bearer {}", world.token("ben"));
    world.get_with("/events", &[("authorization", &token)]).await.status().as_u16()
}

#[tokio::test]
async fn comments_are_sent_on_an_idle_stream() {
    let world = World::with(&["--heartbeat", "1"]).await;
    let mut ben = Listener::open(&world, "ben", NORTH).await;
    for _ in 0..5 {
        assert_eq!(ben.until("ping").await["heads"], json!({ "north.2": 9 }));
    }
    assert!(ben.comments >= 4, "{}", ben.comments);
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let world = World::start().await;
    let token = format!("Bearer {}", world.short_token("ben", Duration::from_secs(2)));
    let mut ben = Listener::with(&world, NORTH, &[("authorization", &token)]).await;
    let bye = ben.until("bye").await;
    assert_eq!((&bye["code"], &bye["reason"], &bye["retry_ms"]), (&4200.into(), &"expired-token".into(), &0.into()));
    assert_eq!(ben.try_next().await, None);
}

#[tokio::test]
async fn a_stopping_service_ends_its_streams() {
    let mut world = World::start().await;
    let mut ben = Listener::open(&world, "ben", NORTH).await;
    ben.until("subscribed").await;
    world.stop();
    let bye = ben.until("bye").await;
    assert_eq!((&bye["code"], &bye["retry_ms"]), (&4000.into(), &ben.retry_ms.into()));
    assert_eq!(ben.try_next().await, None);
    world.stopped().await;
}

#[tokio::test]
async fn idle_streams_hold_no_connection_to_the_database() {
    let world = World::with(&["--database-pool", "1"]).await;
    let mut streams = Vec::new();
    for user in ["ana", "ben"].into_iter().cycle().take(20) {
        let mut stream = Listener::open(&world, user, NORTH).await;
        stream.until("subscribed").await;
        streams.push(stream);
    }
    assert_eq!(world.get("ana", "/rooms").await.0, 200);
    world.happen(10, "message_posted", "ana", hi()).await;
    for stream in &mut streams {
        stream.events([10]).await;
    }
}
