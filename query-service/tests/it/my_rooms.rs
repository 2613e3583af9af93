//! A user's own rooms on every connection: all of them first, then changes, with the counts of `GET /me/rooms`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::{interval, sleep};

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
    json!({ "type": "unread", "room_id": "north.2", "unread": number })
}

#[tokio::test]
async fn the_first_frame_has_the_open_rooms_with_unread_counts() {
    let world = World::start().await;
    for (user, rooms) in [
        ("ana", json!({ "north.2": { "unread": 1 } })),
        ("ben", json!({ "north.2": { "unread": 1 } })),
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
    world.posted(10, "ben").await;
    for watcher in [&mut ana, &mut second] {
        assert_eq!(watcher.mine().await, unread(2));
    }
    // The user reads on another device.
    world.marked("ana", 24).await;
    for watcher in [&mut ana, &mut second] {
        assert_eq!(watcher.mine().await, unread(1));
    }
    world.posted(11, "ana").await;
    assert_eq!(ben.mine().await, unread(2), "and nothing before");
    world.marked("ana", 1011).await;
    assert_eq!(ana.mine().await, unread(0));
    world.marked("ben", 1011).await;
    assert_eq!(ben.mine().await, unread(0));
}

#[tokio::test]
async fn many_messages_cause_one_count_a_second() {
    let world = World::start().await;
    let mut ben = connected(&world, "ben").await;
    ben.mine().await;
    let started = Instant::now();
    let mut frames = 0;
    for v in 10..=200 {
        world.posted(v, "ana").await;
    }
    while ben.mine().await != unread(192) {
        frames += 1;
    }
    assert!(frames <= started.elapsed().as_secs() + 1, "{frames} in {:?}", started.elapsed());
}

/// The number of connected members.
const MEMBERS: i64 = 20;

/// The observed time: one sweep.
const OBSERVED: Duration = Duration::from_secs(10);

/// The highest number of transactions in a second because of messages.
const TRANSACTIONS: f64 = 0.5;

#[tokio::test]
async fn busy_rooms_are_counted_without_the_database() {
    let world = World::start().await;
    world
        .sql(
            "insert into members
             select 'north', 'north.2', 'm' || n, 'inside', now(), 10 + n, 0 from generate_series(1, 20) as n;
             insert into user_rooms
             select user_id, now(), room_id, box_id, true, null from members where user_id like 'm%'",
        )
        .await;
    let mut members = Vec::new();
    for number in 1..=MEMBERS {
        let mut member = connected(&world, &format!("m{number}")).await;
        assert_eq!(member.mine().await, all(&json!({ "north.2": { "unread": 3 } })));
        members.push(member);
    }
    let idle = transactions_in(&world, async || sleep(OBSERVED).await).await;
    let last = 9 + 50 * OBSERVED.as_secs().cast_signed();
    let busy = transactions_in(&world, async || {
        let mut each = interval(Duration::from_millis(20));
        for v in 10..=last {
            each.tick().await;
            world.publish_count(v, "ana").await;
        }
    })
    .await;
    for member in &mut members {
        while member.mine().await != unread(last - 9 + 3) {}
    }
    eprintln!("{busy:.1} transactions a second, idle {idle:.1}");
    assert!(busy < idle + TRANSACTIONS, "{busy} transactions a second, idle {idle}");
}

/// Returns the number of transactions in a second.
async fn transactions_in(world: &World, work: impl AsyncFnOnce()) -> f64 {
    let (before, started) = (world.transactions().await, Instant::now());
    work().await;
    let seconds = started.elapsed().as_secs_f64();
    f64::from(u32::try_from(world.transactions().await - before).unwrap()) / seconds
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
                "update members set standing = '{standing}' where room_id = 'north.2' and user_id = '{user}';
                 update user_rooms set inside = '{standing}' = 'inside'
                 where room_id = 'north.2' and user_id = '{user}'"
            ))
            .await;
        world.publish_membership(user).await;
    };
    let membership = |standing: &str| json!({ "type": "membership", "room_id": "north.2", "standing": standing });
    become_("cem", "inside").await;
    let inside = cem.mine().await;
    assert_eq!((&inside["standing"], &inside["at"]), (&"inside".into(), &"2026-01-03T12:02:00Z".into()));
    assert_eq!(cem.mine().await, unread(3));
    become_("cem", "left").await;
    assert_eq!(cem.mine().await, membership("left"));
    become_("cem", "inside").await;
    assert_eq!((cem.mine().await["standing"].clone(), cem.mine().await), ("inside".into(), unread(3)));
    become_("cem", "kicked").await;
    assert_eq!(cem.mine().await, membership("kicked"));
    world.sql("update rooms set status = 'closed', closed_at = '2026-01-03T14:00:00Z' where room_id = 'north.2'").await;
    world.publish_membership("ben").await;
    let closed = ben.mine().await;
    assert_eq!((&closed["standing"], &closed["at"]), (&"closed".into(), &"2026-01-03T14:00:00Z".into()));
}

#[tokio::test]
async fn lost_notifications_are_recovered() {
    let world = World::start().await;
    let mut ben = connected(&world, "ben").await;
    ben.mine().await;
    world.insert_message(10, "ana").await;
    assert_eq!(ben.mine().await, unread(2), "a notification was lost");
    world.insert_message(11, "ana").await;
    world.posted(12, "ana").await;
    assert_eq!(ben.mine().await, unread(4), "one before was lost");
    world.nats.kill().await;
    world.insert_message(13, "ana").await;
    world.nats.start_again().await.unwrap();
    assert_eq!(ben.mine().await, unread(5));
    world.switch_generation(2).await;
    assert_eq!(ben.mine().await, unread(1), "the other generation counts otherwise");
}
