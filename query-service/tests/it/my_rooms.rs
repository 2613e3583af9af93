//! A user's own rooms on every connection: all of them first, then changes, with the counts of `GET /me/rooms`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{listener::Listener, watcher::Watcher, world::World};

async fn connected(world: &World, user: &str) -> Watcher {
    let mut watcher = world.connect().await;
    watcher.say(json!({ "type": "hello", "token": world.token(user) })).await;
    assert_eq!(watcher.next().await["type"], "welcome");
    watcher
}

fn all(rooms: &Value) -> Value {
    json!({ "type": "my_rooms", "rooms": rooms })
}

fn unread(number: i64) -> Value {
    json!({ "type": "unread", "room": "north.2", "unread": number })
}

#[tokio::test]
async fn the_first_frame_has_the_open_rooms_with_unread_counts() {
    let world = World::start().await;
    for (user, rooms) in [
        ("ana", json!({ "north.2": { "unread": 2 } })),
        ("ben", json!({ "north.2": { "unread": 4 } })),
        ("eve", json!({})),
    ] {
        let started = Instant::now();
        let mut watcher = connected(&world, user).await;
        assert_eq!(watcher.mine().await, all(&rooms), "{user}");
        assert!(started.elapsed() < Duration::from_secs(1));
        // The frame has the same rooms as the list, except closed ones.
        let (_, page) = world.get(user, "/me/rooms").await;
        let open = page["items"].as_array().unwrap().iter().filter(|room| room["status"] == "open");
        let listed = open.map(|room| (room["room_id"].as_str().unwrap(), json!({ "unread": room["unread"] })));
        assert_eq!(rooms, listed.collect::<Value>());
    }
    let mut stream = Listener::open(&world, "ana", "").await;
    while stream.raw().await["type"] != "my_rooms" {}
}

#[tokio::test]
async fn counts_change_with_messages_and_markers_on_every_connection() {
    let world = World::start().await;
    let mut ana = connected(&world, "ana").await;
    let mut ben = connected(&world, "ben").await;
    ana.mine().await;
    let mut second = connected(&world, "ana").await;
    for watcher in [&mut ben, &mut second] {
        assert_eq!(watcher.mine().await["type"], "my_rooms");
    }
    world.posted("north.2", 5).await;
    for watcher in [&mut ana, &mut second] {
        assert_eq!(watcher.mine().await, unread(3));
    }
    assert_eq!(ben.mine().await, unread(5));
    // The user reads on another device.
    world.sql("update read_markers set message_id = 24 where user_id = 'ana'").await;
    world.touch("north.2", Some("ana")).await;
    for watcher in [&mut ana, &mut second] {
        assert_eq!(watcher.mine().await, unread(1));
    }
    world.posted("north.2", 6).await;
    assert_eq!(ben.mine().await, unread(6), "and nothing before");
}

#[tokio::test]
async fn many_messages_cause_one_count_a_second() {
    let world = World::start().await;
    let mut ben = connected(&world, "ben").await;
    ben.mine().await;
    let started = Instant::now();
    let mut frames = 0;
    for ordinal in 5..=200 {
        world.posted("north.2", ordinal).await;
    }
    while ben.mine().await != unread(200) {
        frames += 1;
    }
    assert!(frames <= started.elapsed().as_secs() + 1, "{frames} in {:?}", started.elapsed());
}

#[tokio::test]
async fn every_change_of_a_membership_is_sent() {
    let world = World::start().await;
    let mut cem = connected(&world, "cem").await;
    let mut ben = connected(&world, "ben").await;
    assert_eq!(cem.mine().await, all(&json!({})));
    assert_eq!(ben.mine().await["type"], "my_rooms");
    let become_ = async |user: &str, standing: &str| {
        world
            .sql(&format!(
                "update members set standing = '{standing}' where room_id = 'north.2' and user_id = '{user}'"
            ))
            .await;
        world.touch("north.2", Some(user)).await;
    };
    let membership = |standing: &str| json!({ "type": "membership", "room": "north.2", "standing": standing });
    become_("cem", "inside").await;
    let inside = cem.mine().await;
    assert_eq!((&inside["standing"], &inside["at"]), (&"inside".into(), &"2026-01-03T12:02:00Z".into()));
    assert_eq!(cem.mine().await, unread(4));
    become_("cem", "left").await;
    assert_eq!(cem.mine().await, membership("left"));
    become_("cem", "inside").await;
    assert_eq!((cem.mine().await["standing"].clone(), cem.mine().await), ("inside".into(), unread(4)));
    become_("cem", "kicked").await;
    assert_eq!(cem.mine().await, membership("kicked"));
    world.sql("update rooms set status = 'closed', closed_at = '2026-01-03T14:00:00Z' where room_id = 'north.2'").await;
    world.touch("north.2", None).await;
    let closed = ben.mine().await;
    assert_eq!((&closed["standing"], &closed["at"]), (&"closed".into(), &"2026-01-03T14:00:00Z".into()));
}

#[tokio::test]
async fn lost_notifications_are_recovered() {
    let world = World::start().await;
    let mut ben = connected(&world, "ben").await;
    ben.mine().await;
    world.sql("update rooms set last_ordinal = 9 where room_id = 'north.2'").await;
    assert_eq!(ben.mine().await, unread(9), "a notification was lost");
    world.nats.kill().await;
    world.sql("update rooms set last_ordinal = 12 where room_id = 'north.2'").await;
    world.nats.start_again().await.unwrap();
    assert_eq!(ben.mine().await, unread(12));
    world.switch_generation(2).await;
    assert_eq!(ben.mine().await, unread(4), "the other generation counts otherwise");
}
