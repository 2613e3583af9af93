//! Read markers only move forward.

use std::sync::Arc;

use domain::MessageId;
use event_store::{Decoded, Log, Marks, Source, StreamName, follow};

use crate::town::{by, room_id, user};

pub(crate) async fn a_marker_only_moves_forward(log: Arc<impl Log>) {
    let marks = Marks::new(log.clone(), 4);
    let mark = async |message| marks.mark(&room_id(), &user("ann"), MessageId::new(message), &by("ann")).await.unwrap();
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
