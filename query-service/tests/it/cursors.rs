//! Cursors: one for all rooms and the alarms, valid on every transport, covering exactly the frames that were written.

use serde_json::{Value, json};

use super::{listener::Listener, watcher::Watcher, world::World};

async fn say_hello(world: &World, user: &str, cursor: &Value, rooms: Value) -> Watcher {
    let mut watcher = world.connect().await;
    let hello = json!({ "type": "hello", "token": world.token(user), "cursor": cursor, "rooms": rooms });
    watcher.say(hello).await;
    watcher
}

/// Returns the cursor of the next ping.
async fn pinged(watcher: &mut Watcher) -> Value {
    loop {
        let frame = watcher.next().await;
        if frame["type"] == "ping" {
            watcher.say(json!({ "type": "pong" })).await;
            return frame["cursor"].clone();
        }
    }
}

/// Returns the id of the next alarm.
async fn alarm(watcher: &mut Watcher) -> String {
    loop {
        let frame = watcher.next().await;
        if frame["type"] == "alarm" {
            return frame["id"].as_str().unwrap().to_owned();
        }
    }
}

fn mention(position: i64) -> String {
    format!("box-1-{position}-mention")
}

#[tokio::test]
async fn a_connection_resumes_rooms_and_alarms_of_the_last_one() {
    let world = World::with(&["--heartbeat", "1"]).await;
    let mut ana = say_hello(&world, "ana", &Value::Null, json!([{ "room_id": "north.2" }])).await;
    let cursor = pinged(&mut ana).await;
    drop(ana);
    world.alarm(41).await;
    world.alarm(42).await;
    for v in 10..=12 {
        world.append(v, "message_posted", "ben", json!({ "body": "hi" })).await;
    }
    world.project("box-1", 42).await;

    let mut ana = say_hello(&world, "ana", &cursor, json!([{ "room_id": "north.2" }])).await;
    assert_eq!(ana.next().await["resumed"], json!({ "north.2": 9 }));
    assert_eq!(ana.next().await["recovered"], true);
    ana.events(10..=12).await;
    assert_eq!([alarm(&mut ana).await, alarm(&mut ana).await], [41, 42].map(mention));
    world.alarm(43).await;
    world.publish_alarm(43).await;
    assert_eq!(alarm(&mut ana).await, mention(43), "and then live");

    // A given version takes precedence, and a room that is not listed is not followed.
    let mut ana = say_hello(&world, "ana", &cursor, json!([{ "room_id": "north.2", "v": 11 }])).await;
    assert_eq!(ana.next().await["resumed"], json!({ "north.2": 11 }));
    let mut ana = say_hello(&world, "ana", &cursor, json!([])).await;
    assert_eq!(ana.next().await["resumed"], json!({}));
    assert_eq!([alarm(&mut ana).await, alarm(&mut ana).await], [41, 42].map(mention));
    // The other transport accepts the cursor as well.
    let mut stream = Listener::open(&world, "ana", &format!("rooms=north.2&cursor={}", cursor.as_str().unwrap())).await;
    assert_eq!(stream.until("subscribed").await["recovered"], true);
    stream.events(10..=12).await;
    assert_eq!(stream.until("alarm").await["id"], mention(41));
}

#[tokio::test]
async fn a_client_that_disconnects_at_once_misses_nothing() {
    let world = World::start().await;
    let mut ana = say_hello(&world, "ana", &Value::Null, json!([{ "room_id": "north.2", "v": 7 }])).await;
    let cursor = ana.next().await["cursor"].clone();
    drop(ana);
    world.alarm(41).await;
    let mut ana = say_hello(&world, "ana", &cursor, json!([{ "room_id": "north.2" }])).await;
    assert_eq!(ana.next().await["resumed"], json!({ "north.2": 7 }));
    assert_eq!(alarm(&mut ana).await, mention(41));
    world.project("box-1", 41).await;
    let mut ana = Listener::open(&world, "ana", "").await;
    assert_eq!(ana.next().await["type"], "welcome");
    world.alarm(42).await;
    let mut ana = Listener::reopen(&world, "ana", "", &ana.last_id).await;
    assert_eq!(ana.until("alarm").await["id"], mention(42));
}

#[tokio::test]
async fn alarms_are_complete_up_to_the_cursor_and_only_later_ones_may_repeat() {
    let world = World::with(&["--heartbeat", "1"]).await;
    let mut ana = say_hello(&world, "ana", &Value::Null, json!([])).await;
    let before = pinged(&mut ana).await;
    for position in 41..=43 {
        world.alarm(position).await;
        world.publish_alarm(position).await;
        assert_eq!(alarm(&mut ana).await, mention(position));
    }
    // Once the read model has these positions, the cursor includes them.
    world.project("box-1", 43).await;
    let mut cursor = before.clone();
    while cursor == before {
        cursor = pinged(&mut ana).await;
    }
    world.alarm(44).await;
    let mut again = say_hello(&world, "ana", &before, json!([])).await;
    for position in 41..=44 {
        assert_eq!(alarm(&mut again).await, mention(position));
    }
    let mut again = say_hello(&world, "ana", &cursor, json!([])).await;
    assert_eq!(alarm(&mut again).await, mention(44));
}

#[tokio::test]
async fn more_alarms_than_one_read_returns_are_all_delivered() {
    let world = World::with(&["--heartbeat", "1"]).await;
    let mut ana = say_hello(&world, "ana", &Value::Null, json!([])).await;
    let cursor = pinged(&mut ana).await;
    drop(ana);
    world
        .sql(
            "insert into alarms
             select 'ana', '2026-01-03T13:00:00Z', 'north', 41 + n / 2,
                 case n % 2 when 0 then 'mention' else 'reply' end, 'north.2', 41 + n / 2, 'ben', 'box-1',
                 1, 41 + n / 2, 41 + n / 2, null
             from generate_series(0, 300) as n",
        )
        .await;
    world.project("box-1", 400).await;
    let mut ana = say_hello(&world, "ana", &cursor, json!([])).await;
    let mut ids = Vec::new();
    for _ in 0..=300 {
        ids.push(alarm(&mut ana).await);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 301);
}

#[tokio::test]
async fn an_unknown_cursor_resets_each_room_and_the_alarms() {
    let world = World::with(&["--heartbeat", "1"]).await;
    let mut ben = say_hello(&world, "ben", &Value::Null, json!([{ "room_id": "north.2" }])).await;
    let of_ben = pinged(&mut ben).await;
    for cursor in [json!("made-up"), of_ben.clone(), json!("A".repeat(30_000))] {
        let mut ana = say_hello(&world, "ana", &cursor, json!([{ "room_id": "north.2" }])).await;
        assert_eq!(ana.next().await["resumed"], json!({}));
        assert_eq!(ana.next().await, json!({ "type": "reset", "reason": "unknown-cursor" }));
        let reset = json!({ "type": "reset", "room_id": "north.2", "reason": "unknown-version", "head_v": 9 });
        assert_eq!((ana.next().await, ana.next().await["recovered"].clone()), (reset, json!(false)));
    }
    // A cursor that is ahead of this log.
    world.project("box-1", 30).await;
    let mut ben = say_hello(&world, "ben", &of_ben, json!([])).await;
    assert_eq!(ben.next().await["type"], "welcome");
    assert_eq!(ben.next().await, json!({ "type": "reset", "reason": "unknown-cursor" }));
}

#[tokio::test]
async fn feeds_are_read_from_the_cursor_of_a_live_connection() {
    let world = World::with(&["--heartbeat", "1"]).await;
    let mut ben = say_hello(&world, "ben", &Value::Null, json!([{ "room_id": "north.2", "v": 7 }])).await;
    let cursor = pinged(&mut ben).await;
    world.append(10, "message_posted", "ana", json!({ "body": "hi" })).await;
    let cursor = cursor.as_str().unwrap();
    let path = format!("/rooms/north.2/events?cursor={cursor}");
    assert_eq!(world.list("ben", &path, "v").await, [10]);
    for (user, path) in [
        ("ana", path.as_str()),
        ("ben", &format!("{path}&after_v=3")),
        ("eve", &format!("/rooms/north.1/events?cursor={cursor}")),
    ] {
        assert_eq!(world.get(user, path).await.0, 400, "{user} {path}");
    }
}

#[tokio::test]
async fn the_bye_frame_has_the_cursor() {
    let mut world = World::start().await;
    let mut ben = say_hello(&world, "ben", &Value::Null, json!([{ "room_id": "north.2" }])).await;
    ben.next().await;
    ben.next().await;
    world.happen(10, "message_posted", "ana", json!({ "body": "hi" })).await;
    ben.events([10]).await;
    let path = async |cursor: &Value| format!("/rooms/north.2/events?cursor={}", cursor.as_str().unwrap());
    world.append(11, "message_posted", "ana", json!({ "body": "hi" })).await;
    let mut short = world.connect().await;
    let token = world.short_token("ben", std::time::Duration::from_secs(1));
    short.say(json!({ "type": "hello", "token": token, "rooms": [{ "room_id": "north.2", "v": 9 }] })).await;
    let mut bye = short.next().await;
    while bye["type"] != "bye" {
        bye = short.next().await;
    }
    assert_eq!((&bye["code"], &bye["retry_ms"]), (&4200.into(), &0.into()), "a new token can be shown at once");
    assert_eq!(world.list("ben", &path(&bye["cursor"]).await, "v").await, Vec::<Value>::new());
    world.append(12, "message_posted", "ana", json!({ "body": "hi" })).await;
    assert_eq!(world.list("ben", &path(&bye["cursor"]).await, "v").await, [12]);
    world.stop();
    while bye["code"] != 4000 {
        bye = ben.next().await;
    }
    assert!(bye["cursor"].is_string());
}

#[tokio::test]
async fn the_first_id_of_a_stream_includes_rooms_subscribed_later() {
    const ROOMS: &str = "rooms=north.1,north.2";
    let world = World::start().await;
    let mut ana = Listener::open(&world, "ana", ROOMS).await;
    for _ in 0..2 {
        ana.until("subscribed").await;
    }
    let mut ana = Listener::reopen(&world, "ana", ROOMS, &ana.last_id).await;
    assert_eq!(ana.until("subscribed").await["room_id"], "north.1");
    let mut ana = Listener::reopen(&world, "ana", ROOMS, &ana.last_id).await;
    assert_eq!(ana.next().await["resumed"], json!({ "north.1": 3, "north.2": 9 }));
}

#[tokio::test]
async fn a_missing_read_model_causes_no_reset() {
    let world = World::start().await;
    let mut ana = say_hello(&world, "ana", &Value::Null, json!([{ "room_id": "north.2", "v": 7 }])).await;
    let cursor = ana.next().await["cursor"].clone();
    world.sql("update control.generations set state = 'building'").await;
    world.until("no generation is served", async || world.get("ana", "/rooms").await.0 == 503).await;

    let mut early = say_hello(&world, "ana", &cursor, json!([{ "room_id": "north.2" }])).await;
    assert_eq!(early.next().await["code"], "read-model-unavailable");
    assert_eq!(early.bye().await, (4003, "unavailable".to_owned()));
    let path = format!("/events?rooms=north.2&cursor={}", cursor.as_str().unwrap());
    assert_eq!(world.get("ana", &path).await.1["code"], "read-model-unavailable");

    world.sql("update control.generations set state = 'active'").await;
    world.until("it is served again", async || world.get("ana", "/rooms").await.0 == 200).await;
    let mut ana = say_hello(&world, "ana", &cursor, json!([{ "room_id": "north.2" }])).await;
    assert_eq!(ana.next().await["resumed"], json!({ "north.2": 7 }));
    assert_eq!(ana.next().await["recovered"], true);
    ana.events(8..=9).await;
}

#[tokio::test]
async fn a_different_log_resets_every_cursor() {
    let world = World::start().await;
    let mut ana = say_hello(&world, "ana", &Value::Null, json!([{ "room_id": "north.2", "v": 9 }])).await;
    let cursor = ana.next().await["cursor"].clone();
    assert_eq!(ana.next().await["recovered"], true);
    let mut stream = Listener::open(&world, "ana", "rooms=north.2").await;
    stream.until("subscribed").await;
    world.sql("update checkpoints set incarnation = 'another'").await;
    world.sql("notify boxroom_control, 'generations'").await;
    assert_eq!(ana.bye().await, (4006, "other-log".to_owned()));
    assert_eq!(stream.until("bye").await["code"], 4006);

    let mut ana = say_hello(&world, "ana", &cursor, json!([{ "room_id": "north.2", "v": 9 }])).await;
    assert_eq!(ana.next().await["resumed"], json!({}));
    assert_eq!(ana.next().await["reason"], "unknown-cursor");
    assert_eq!(ana.next().await["type"], "reset");
    assert_eq!(ana.next().await["recovered"], false);
}
