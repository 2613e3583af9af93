//! The checkpoint comes first: nothing is projected twice, even with concurrent writers.

use event_store::{Log, MemoryLog, StreamState};
use projector::{BatchError, Checkpoint, Projection, project_batch};
use serde_json::json;

use crate::{
    story::{Story, installed, posted},
    world::{BOXES, World, checkpoint, everything},
};

#[tokio::test]
async fn the_checkpoint_moves_with_the_rows() {
    let mut world = World::start().await;
    world.project_story(&Story::of_three("b1")).await;
    let row = world.row("select stream, incarnation, position, commit_id from checkpoints where position > 0").await;
    let expected = json!({ "stream": "box-0", "incarnation": "first", "position": 4, "commit_id": "commit-4" });
    assert_eq!(row, expected);
}

#[tokio::test]
async fn a_batch_applied_twice_changes_nothing_the_second_time() {
    let mut world = World::start().await;
    let mut stale = checkpoint(&mut world.connection, BOXES).await;
    let story = Story::of_three("b1");
    world.project_story(&story).await;
    let before = everything(&mut world.connection).await;
    let mut projection =
        Projection::open(BOXES, projector::ProjectionMode::Live, &mut world.connection).await.expect("a projection");
    let again = project_batch(&mut world.connection, &mut projection, &mut stale, &story.commits).await;
    assert!(matches!(again, Err(BatchError::Overtaken)), "{again:?}");
    assert_eq!(everything(&mut world.connection).await, before);
}

/// Projects from its own checkpoint on, and continues from the new checkpoint when overtaken. Returns how often it was.
async fn insist(mut world_connection: sqlx::PgConnection, story: &Story) -> usize {
    let mut overtaken = 0;
    loop {
        let mut at = checkpoint(&mut world_connection, BOXES).await;
        let mut projection = Projection::open(BOXES, projector::ProjectionMode::Live, &mut world_connection)
            .await
            .expect("a projection");
        loop {
            let rest = story.commits.iter().filter(|commit| commit.sequence > at.position);
            let next: Vec<_> = rest.take(3).cloned().collect();
            if next.is_empty() {
                return overtaken;
            }
            match project_batch(&mut world_connection, &mut projection, &mut at, &next).await {
                Ok(_) => {}
                Err(BatchError::Overtaken) => {
                    overtaken += 1;
                    break;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_of_one_stream_write_nothing_twice() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    for n in 0..200 {
        story.happens("b1", "ann", [posted("b1.1", "ann", &format!("message {n}"), None)]);
    }
    let one = world.database.generation(1).await.expect("a connection");
    let other = world.database.generation(1).await.expect("a connection");
    let (one, other) = tokio::join!(insist(one, &story), insist(other, &story));
    assert!(one + other > 0, "the writers never conflicted");
    let counts =
        "select (select count(*) from messages) as messages, max(last_ordinal) as ordinal, max(v) as v from rooms";
    assert_eq!(world.row(counts).await, json!({ "messages": 200, "ordinal": 200, "v": 203 }));
    assert_eq!(
        world.row("select count(*) as rows, max(v) as v from room_events").await,
        json!({ "rows": 203, "v": 203 })
    );
}

#[tokio::test]
async fn an_event_projected_twice_is_refused_by_constraints_too() {
    let mut world = World::start().await;
    let mut story = Story::new();
    story.happens("b1", "ops", [installed("b1")]);
    story.happens("b1", "ops", [installed("b1")]);
    world.project_story(&story).await;
    assert_eq!(world.texts("select box_id from quarantined_boxes").await, ["b1"]);
}

#[tokio::test]
async fn a_checkpoint_recognizes_another_log() {
    let log = MemoryLog::default();
    let state = log.state(BOXES).await.expect("a state");
    let checkpoint = |position, incarnation: &str| Checkpoint {
        stream: BOXES,
        incarnation: incarnation.to_owned(),
        position,
        commit_id: None,
    };
    let difference = async |checkpoint: Checkpoint, state: &StreamState| {
        checkpoint.compare(&log, state).await.expect("the log answers").map_err(|other| other.to_string())
    };
    assert_eq!(difference(checkpoint(0, &state.incarnation), &state).await, Ok(()));
    let other = difference(checkpoint(0, "another"), &state).await.expect_err("another incarnation");
    assert!(other.starts_with("the stream box-0 is not the one that this read model was built from"), "{other}");
    let shorter = difference(checkpoint(7, &state.incarnation), &state).await.expect_err("it is shorter");
    assert!(shorter.ends_with("it ends at 0, before 7"), "{shorter}");
    let longer = StreamState { last_sequence: 9, ..state.clone() };
    let hole = difference(checkpoint(7, &state.incarnation), &longer).await.expect_err("a hole");
    assert!(hole.ends_with("it has no message at 7"), "{hole}");
}
