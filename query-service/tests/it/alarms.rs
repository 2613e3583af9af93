//! Alarms on a connection: each is sent once, independently of followed rooms and lost notifications.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

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
            "room_id": "north.2", "message_id": "41", "by": "ben", "count": 1,
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
        watcher.say(json!({ "type": "unsubscribe", "room_id": "north.2" })).await;
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

/// Changes the alarm at a position: its count, and the event that changed it.
async fn change(world: &World, position: i64, (count, changed): (i64, i64)) {
    let sql = format!(
        "update alarms set count = {count}, latest = {changed}, changed = {changed},
             withdrawn = case when {count} = 0 then 'reaction_removed' end
         where position = {position}"
    );
    world.sql(&sql).await;
}

async fn publish_change(world: &World, position: i64, (count, changed): (i64, i64)) {
    let fields = json!({ "count": count, "changed": changed, "is_withdrawn": count == 0 });
    world.publish_alarm_with(position, fields).await;
}

#[tokio::test]
async fn a_changed_alarm_is_sent_again_and_a_withdrawn_one_is_taken_back() {
    let world = World::start().await;
    let mut ana = connected(&world, "ana").await;
    world.alarm(41).await;
    world.publish_alarm(41).await;
    let alarm = ana.next().await;
    change(&world, 41, (2, 42)).await;
    publish_change(&world, 41, (2, 42)).await;
    let changed = ana.next().await;
    assert_eq!((&changed["id"], &changed["count"]), (&alarm["id"], &json!(2)));
    change(&world, 41, (0, 43)).await;
    publish_change(&world, 41, (0, 43)).await;
    publish_change(&world, 41, (2, 42)).await;
    assert_eq!(ana.next().await, json!({ "type": "alarm_withdrawn", "id": alarm["id"] }));
    world.alarm(44).await;
    world.publish_alarm(44).await;
    alarms(&mut ana, [44]).await;
}

#[tokio::test]
async fn a_client_that_was_away_learns_of_withdrawals_of_what_it_has_seen_only() {
    let world = World::with(&["--heartbeat", "1"]).await;
    let mut ana = connected(&world, "ana").await;
    for position in [41, 42] {
        world.alarm(position).await;
    }
    world.project("box-1", 42).await;
    world.publish_alarm(41).await;
    world.publish_alarm(42).await;
    alarms(&mut ana, [41, 42]).await;
    let cursor = loop {
        let ping = ana.any().await;
        let cursor = ping["cursor"].as_str().unwrap_or_default();
        let decoded = BASE64_URL_SAFE_NO_PAD.decode(cursor).unwrap();
        let decoded: Value = serde_json::from_slice(&decoded).unwrap();
        if decoded[1][2]["box-1"] == 42 {
            break cursor.to_owned();
        }
    };
    drop(ana);
    world.alarm(43).await;
    world.alarm(44).await;
    world.sql("insert into author_erasures values ('box-1', 46, 'north', 'eve')").await;
    world.sql("insert into author_erasures values ('box-1', 46, 'south', 'cem')").await;
    change(&world, 42, (0, 45)).await;
    change(&world, 43, (0, 45)).await;
    world.project("box-1", 46).await;
    let mut ana = world.connect().await;
    ana.say(json!({ "type": "hello", "token": world.token("ana"), "cursor": cursor })).await;
    let mut found = Vec::new();
    while found.len() < 3 {
        let frame = ana.next().await;
        if frame["type"].as_str().unwrap().starts_with("alarm") {
            found.push(frame);
        }
    }
    assert_eq!(found[0], json!({ "type": "alarm_withdrawn", "id": "box-1-42-mention" }));
    assert_eq!(found[1]["id"], "box-1-44-mention");
    assert_eq!(found[2], json!({ "type": "alarms_withdrawn", "box_id": "north", "by": "eve" }), "cem was not there");
}

#[tokio::test]
async fn an_alarm_of_a_released_box_is_sent_although_its_position_is_low() {
    let world = World::start().await;
    let mut ana = connected(&world, "ana").await;
    world.alarm(12).await;
    world.publish_alarm(12).await;
    world.alarm(41).await;
    world.publish_alarm(41).await;
    alarms(&mut ana, [41]).await;
    world.publish_alarm_with(12, json!({ "is_released": true })).await;
    alarms(&mut ana, [12]).await;
}

#[tokio::test]
async fn the_number_of_unread_alarms_is_sent_after_alarms_and_when_some_are_read() {
    let world = World::start().await;
    let mut ana = connected(&world, "ana").await;
    let unread = ana.unread_alarms().await;
    assert_eq!(unread["unread"], 3, "{unread}");
    world.alarm(41).await;
    world.project("box-1", 41).await;
    world.publish_alarm(41).await;
    alarms(&mut ana, [41]).await;
    let unread = ana.unread_alarms().await;
    assert_eq!(unread["unread"], 4);
    let up_to = unread["up_to"].as_str().unwrap();
    assert!(up_to.ends_with(".41") && up_to.contains("box-1."), "{up_to}");

    let mut second = connected(&world, "ana").await;
    assert_eq!(second.unread_alarms().await, unread);
    world.sql("insert into alarms_read values ('ana', 'box-1', 30)").await;
    world.publish_stale().await;
    for watcher in [&mut ana, &mut second] {
        assert_eq!(watcher.unread_alarms().await["unread"], 1);
    }
}

#[tokio::test]
async fn a_token_ends_before_the_alarms_that_a_quarantine_withholds() {
    let world = World::start().await;
    world.project("box-1", 40).await;
    world.sql("insert into quarantined_boxes values ('north', 'box-1', 35, 'a test', now())").await;
    let mut ana = connected(&world, "ana").await;
    let up_to = ana.unread_alarms().await["up_to"].clone();
    assert!(up_to.as_str().unwrap().ends_with(".34"), "{up_to}");
    let (_, page) = world.get("ana", "/me/alarms").await;
    assert_eq!(page["up_to"], up_to);
    let (_, page) = world.get("cem", "/me/alarms").await;
    assert!(page["up_to"].as_str().unwrap().ends_with(".34"), "he may return");
}
