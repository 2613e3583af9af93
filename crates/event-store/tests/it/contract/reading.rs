//! Tests of reading single messages and pages.

use std::sync::Arc;

use chrono::TimeDelta;
use event_store::{
    Log,
    log::{Freshness, Range},
};

use super::{STREAM, message, room, stored, talk};

const BOTH: [Freshness; 2] = [Freshness::AnyReplica, Freshness::Leader];

pub(crate) async fn the_last_message_of_a_subject_is_found(log: Arc<dyn Log>) {
    stored(&log, message(&room("b1"), "old")).await;
    stored(&log, message(&room("b1"), "new")).await;
    stored(&log, message(&room("b2"), "other")).await;
    for freshness in BOTH {
        let last = log.last(STREAM, &room("b1"), freshness).await.unwrap().unwrap();
        assert_eq!((last.sequence, last.subject.as_str(), &last.payload[..]), (2, "box.0.b1.room", &b"new"[..]));
        assert_eq!(last.header("Commit-Id"), Some("new"));
        assert!(log.last(STREAM, &room("b3"), freshness).await.unwrap().is_none());
    }
}

pub(crate) async fn a_message_is_found_by_its_sequence(log: Arc<dyn Log>) {
    stored(&log, message(&room("b1"), "a")).await;
    stored(&log, message(&talk("b1"), "b")).await;
    for freshness in BOTH {
        let second = log.get(STREAM, 2, freshness).await.unwrap().unwrap();
        assert_eq!((second.subject.as_str(), &second.payload[..]), ("box.0.b1.talk", &b"b"[..]));
        assert!(log.get(STREAM, 3, freshness).await.unwrap().is_none());
    }
}

pub(crate) async fn pages_respect_their_limits(log: Arc<dyn Log>) {
    for _ in 0..10 {
        stored(&log, message(&talk("b1"), &"x".repeat(1000))).await;
    }
    let page = |from, max_messages, max_bytes| Range { stream: STREAM, from, subject: None, max_messages, max_bytes };
    let sequences =
        async |range| -> Vec<u64> { log.read(range).await.unwrap().iter().map(|message| message.sequence).collect() };
    assert_eq!(sequences(page(1, 3, 1 << 20)).await, [1, 2, 3]);
    assert_eq!(sequences(page(9, 100, 1 << 20)).await, [9, 10]);
    assert_eq!(sequences(page(11, 100, 1 << 20)).await, [0_u64; 0]);
    let few = sequences(page(1, 100, 3500)).await;
    assert!((1..=4).contains(&few.len()), "{few:?}");
    assert_eq!(sequences(page(4, 100, 1)).await, [4], "at least one is read");
}

pub(crate) async fn one_subject_can_be_read_alone(log: Arc<dyn Log>) {
    for index in 0..30 {
        stored(&log, message(&talk(if index % 3 == 0 { "b1" } else { "b2" }), "x")).await;
    }
    let subject = talk("b1");
    let range = Range { stream: STREAM, from: 5, subject: Some(&subject), max_messages: 4, max_bytes: 1 << 20 };
    let page = log.read(range).await.unwrap();
    assert_eq!(page.iter().map(|message| message.sequence).collect::<Vec<_>>(), [7, 10, 13, 16]);
}

pub(crate) async fn a_time_finds_its_sequence(log: Arc<dyn Log>) {
    for _ in 0..5 {
        stored(&log, message(&talk("b1"), "x")).await;
    }
    let first = log.get(STREAM, 1, Freshness::Leader).await.unwrap().unwrap();
    let last = log.get(STREAM, 5, Freshness::Leader).await.unwrap().unwrap();
    assert_eq!(log.first_since(STREAM, first.stored_at - TimeDelta::hours(1)).await.unwrap(), 1);
    assert!(log.first_since(STREAM, last.stored_at).await.unwrap() <= 5);
    assert_eq!(log.first_since(STREAM, last.stored_at + TimeDelta::hours(1)).await.unwrap(), 6);
}
