//! Concurrent writers in one room: there are no conflicts, and no message is lost, duplicated or out of order.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::Value;
use system_tests::{Person, World};

const WRITERS: usize = 64;
const MESSAGES: usize = 20;

/// Posts messages one after the other. Returns their ids.
async fn write(person: &Person, room: &str) -> Vec<u64> {
    let mut ids = Vec::new();
    for number in 0..MESSAGES {
        let posted = person.say(room, &format!("{} says {number}", person.id())).await;
        assert!(!posted.is_replay(), "{posted}");
        ids.push(posted.created().parse().expect("a message id"));
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_writers_in_one_room_do_not_affect_each_other() {
    let world = World::start_doubled().await;
    let writers = world.people("writer", WRITERS);
    let room = world.open_room(&writers[0], "box-1", WRITERS).await;
    for writer in &writers[1..] {
        world.join(writer, &room).await;
    }
    let before = WRITERS as u64;
    let mut follower = world.follow(&writers[0], &room, 0).await;
    let all = async { join_all(writers.iter().map(|writer| write(writer, &room))).await };
    let total = WRITERS * MESSAGES;
    let (ids, ()) = tokio::join!(all, follower.until_version(&room, before + total as u64));

    for own in &ids {
        assert!(own.is_sorted(), "later messages have greater ids");
    }
    let acknowledged: BTreeSet<u64> = ids.into_iter().flatten().collect();
    assert_eq!(acknowledged.len(), total, "every message id is unique");

    let reader = &writers[0];
    let history = reader.get_all(&format!("/rooms/{room}/messages?limit=200")).await;
    assert_eq!(history.len(), total);
    let listed: Vec<u64> = history.iter().filter_map(|message| id_of(&message["message_id"])).collect();
    assert!(listed.is_sorted_by(|newer, older| newer > older), "newest first");
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), acknowledged);

    let pushed = follower.events(&room);
    let pushed = pushed.iter().filter_map(|event| id_of(&event["data"]["message_id"]));
    assert_eq!(pushed.collect::<BTreeSet<_>>(), acknowledged, "every message was pushed once");
    let feed = world.feed(reader, &room).await;
    assert!(feed.iter().map(|event| event["v"].as_u64()).eq((1..=before + total as u64).map(Some)), "v is dense");
}

fn id_of(value: &Value) -> Option<u64> {
    value.as_str()?.parse().ok()
}
