//! Read markers: the log keeps only the last of each reader.

use domain::MessageId;
use projector::Content;
use serde_json::json;
use wire::StreamName;

use crate::{
    story::{Story, room, user},
    world::{World, checkpoint},
};

fn mark(who: &str, message: u64) -> Content {
    Content::Mark { room_id: room("b1.1"), user_id: user(who), message_id: MessageId::new(message) }
}

#[tokio::test]
async fn a_reader_has_one_marker_in_each_room() {
    let mut world = World::start().await;
    let mut story = Story::new();
    story.add("ann", mark("ann", 5));
    story.add("bob", mark("bob", 6));
    story.add("ann", mark("ann", 7));
    world.project(StreamName::Mark, &story.commits).await;
    // A replaced marker leaves a hole in the log.
    let mut story = Story::from(9);
    story.add("bob", mark("bob", 8));
    world.project(StreamName::Mark, &story.commits).await;
    let rows = world.rows("select * from read_markers order by user_id").await;
    let row =
        |who: &str, message: u64| json!({ "box_id": "b1", "room_id": "b1.1", "user_id": who, "message_id": message });
    assert_eq!(rows, [row("ann", 7), row("bob", 8)]);
    assert_eq!(checkpoint(&mut world.connection, StreamName::Mark).await.position, 9);
}
