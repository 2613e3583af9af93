//! Tests of read markers, which only move forward.

use std::sync::Arc;

use domain::MessageId;
use event_store::{Decoded, Log, MarkError, Marks, follow};
use testing::commands::{by, keyed, room_id, user};
use wire::{Source, StreamName};

pub(crate) async fn a_marker_only_moves_forward(log: Arc<impl Log>) {
    let marks = Marks::new(log.clone(), 4);
    let mark = async |message| {
        marks.mark(&room_id(), &user("ann"), MessageId::new(message), &by("ann")).await.unwrap().position
    };
    let position = mark(5).await;
    assert_eq!((position.stream.as_str(), position.sequence), ("mark", 1));
    assert_eq!(mark(3).await, position);
    assert_eq!(mark(5).await, position);
    assert_eq!(mark(8).await.sequence, 2);
    let mut follower = follow(log, StreamName::Mark, 1).await.unwrap();
    let batch = follower.next_batch(10, 1 << 20).await.unwrap();
    assert_eq!(batch.commits.len(), 1);
    assert_eq!(batch.commits[0].source, Source::Mark { room_id: room_id(), user_id: user("ann") });
    assert_eq!(batch.commits[0].decode().unwrap(), Decoded::Mark { message_id: MessageId::new(8) });
}

pub(crate) async fn the_furthest_of_many_markers_stays(log: Arc<impl Log>) {
    let marks = Arc::new(Marks::new(log.clone(), 4));
    let mut readers = tokio::task::JoinSet::new();
    for message in 1..=6 {
        let marks = marks.clone();
        readers.spawn(async move {
            marks.mark(&room_id(), &user("ann"), MessageId::new(message), &by("ann")).await.unwrap();
        });
    }
    readers.join_all().await;
    let mut follower = follow(log, StreamName::Mark, 1).await.unwrap();
    let batch = follower.next_batch(10, 1 << 20).await.unwrap();
    assert_eq!(batch.commits.last().unwrap().decode().unwrap(), Decoded::Mark { message_id: MessageId::new(6) });
}

pub(crate) async fn a_key_identifies_one_move_of_a_marker(log: Arc<impl Log>) {
    let marks = Marks::new(log.clone(), 4);
    let mark = async |message, key: &str| {
        let context = keyed("ann", key, &format!("{message}"));
        marks.mark(&room_id(), &user("ann"), MessageId::new(message), &context).await
    };
    let first = mark(5, "k1").await.unwrap();
    assert!(!first.replayed);
    assert!(mark(5, "k1").await.unwrap().replayed);
    for other in [3, 8] {
        assert!(matches!(mark(other, "k1").await, Err(MarkError::KeyReused)), "{other}");
    }
    // The marker does not move, but the key is used.
    assert!(!mark(4, "k2").await.unwrap().replayed);
    assert!(mark(4, "k2").await.unwrap().replayed);
    assert!(matches!(mark(9, "k2").await, Err(MarkError::KeyReused)));
    marks.mark(&room_id(), &user("ann"), MessageId::new(8), &by("ann")).await.unwrap();
    let again = Marks::new(log.clone(), 4);
    let again = again.mark(&room_id(), &user("ann"), MessageId::new(5), &keyed("ann", "k1", "5")).await.unwrap();
    assert!(again.replayed && again.position.sequence >= first.position.sequence);
    // Another user's marker, and the same user's in another room, have keys of their own.
    let others = marks.mark(&room_id(), &user("bob"), MessageId::new(3), &keyed("bob", "k1", "3")).await.unwrap();
    assert!(!others.replayed);
    let elsewhere = "b1.2".parse().unwrap();
    let elsewhere = marks.mark(&elsewhere, &user("ann"), MessageId::new(3), &keyed("ann", "k1", "3")).await.unwrap();
    assert!(!elsewhere.replayed);
    let mut follower = follow(log, StreamName::Mark, 1).await.unwrap();
    let batch = follower.next_batch(10, 1 << 20).await.unwrap();
    let furthest: Vec<_> = batch.commits.iter().map(|commit| commit.decode().unwrap()).collect();
    assert_eq!(furthest, [8, 3, 3].map(|message| Decoded::Mark { message_id: MessageId::new(message) }));
}

pub(crate) async fn a_marker_remembers_eight_keys(log: Arc<impl Log>) {
    let marks = Marks::new(log.clone(), 4);
    let mark = async |key: u64| {
        let context = keyed("ann", &format!("key-{key}"), "");
        marks.mark(&room_id(), &user("ann"), MessageId::new(key), &context).await.unwrap().replayed
    };
    for key in 1..=9 {
        assert!(!mark(key).await, "{key}");
    }
    for key in 2..=9 {
        assert!(mark(key).await, "{key}");
    }
    assert!(!mark(1).await, "the ninth has displaced it");
    let last = log.state(StreamName::Mark).await.unwrap().last_sequence;
    let last = log.get(StreamName::Mark, last, event_store::log::Freshness::Leader).await.unwrap().unwrap();
    assert!(last.payload.len() < 500, "{:?}", last.payload);
}
