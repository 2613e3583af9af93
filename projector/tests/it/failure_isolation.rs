//! A commit that cannot be projected puts its box into quarantine; the others continue.

use domain::UserEvent;
use event_store::MemoryLog;
use projector::{
    BatchError, Content, Projection, ProjectionMode, project_and_release, project_isolating_failures,
    projection::{Changes, ProjectionError},
    read_error::ReadError,
    retry_quarantined,
};
use serde_json::json;
use wire::StreamName;

use crate::{
    story::{Story, append, commits_of, dropped, installed, joined, opened, posted, time},
    world::{BOXES, World, checkpoint, everything, origins},
};

fn unreadable(box_id: &str) -> Content {
    Content::Unreadable { box_id: Some(box_id.parse().expect("a box id")), reason: "from the future".to_owned() }
}

/// A story of two boxes with a room each, then an unreadable commit of the first box.
fn story_with_unreadable_commit() -> Story {
    let mut story = Story::new();
    for box_id in ["b1", "b2"] {
        story.happens(box_id, "ops", [installed(box_id)]);
        story.happens(box_id, "ann", [opened(&format!("{box_id}.1"), "ann")]);
    }
    story.add("ann", unreadable("b1"));
    story.happens("b1", "ann", [posted("b1.1", "ann", "parked", None)]);
    story.happens("b2", "ann", [posted("b2.1", "ann", "flows", None)]);
    story
}

#[tokio::test]
async fn an_unreadable_commit_quarantines_only_its_box() {
    let mut world = World::start().await;
    let changes = world.project_story(&story_with_unreadable_commit()).await;
    assert_eq!(world.texts("select body from messages").await, ["flows"]);
    let quarantined = json!({
        "box_id": "b1", "stream": "box-0", "position": 5, "reason": "from the future",
        "quarantined_at": time(5).to_rfc3339(),
    });
    assert_eq!(world.row("select * from quarantined_boxes").await, quarantined);
    let parked = world.rows("select * from parked_events order by position").await;
    assert_eq!(parked, [json!({ "box_id": "b1", "position": 5 }), json!({ "box_id": "b1", "position": 6 })]);
    assert_eq!(world.row("select v from rooms where box_id = 'b1'").await, json!({ "v": 1 }));
    assert!(changes.feed.iter().all(|row| row.position != 6));
}

#[tokio::test]
async fn a_quarantined_box_stays_quarantined_in_later_batches() {
    let mut world = World::start().await;
    world.project_story(&story_with_unreadable_commit()).await;
    let mut story = Story::from(8);
    story.happens("b1", "ann", [posted("b1.1", "ann", "parked", None)]);
    story.happens("b2", "ann", [posted("b2.1", "ann", "flows", None)]);
    world.project_story(&story).await;
    assert_eq!(world.texts("select body from messages").await, ["flows", "flows"]);
    assert_eq!(world.rows("select position from parked_events order by 1").await.len(), 3);
    assert_eq!(checkpoint(&mut world.connection, BOXES).await.position, 9);
}

#[tokio::test]
async fn a_commit_is_quarantined_as_a_whole() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    // dan may join, but bob is inside already.
    story.happens("b1", "dan", [joined("b1.1", "dan"), joined("b1.1", "bob")]);
    world.project_story(&story).await;
    assert_eq!(world.texts("select user_id from members order by 1").await, ["ann", "bob", "cleo"]);
    let row = world.row("select position, reason from quarantined_boxes").await;
    assert_eq!(row, json!({ "position": 5, "reason": "bob is in room b1.1 already" }));
}

#[tokio::test]
async fn an_inconsistent_event_quarantines_its_box() {
    for (event, reason) in [
        (posted("b1.2", "ann", "where", None), "there is no room b1.2"),
        (posted("b1.1", "zoe", "who", None), "zoe is not in room b1.1"),
        (posted("b1.1", "ann", "what", Some(3)), "there is no message 3 in room b1.1"),
        (opened("b1.1", "ann"), "the room b1.1 cannot be opened on box b1"),
        (opened("b2.1", "ann"), "the room b2.1 cannot be opened on box b1"),
    ] {
        let mut world = World::start().await;
        let mut story = Story::of_three("b1");
        story.happens("b1", "ann", [event]);
        world.project_story(&story).await;
        assert_eq!(world.texts("select reason from quarantined_boxes").await, [reason]);
    }
}

#[tokio::test]
async fn an_event_refused_by_the_database_quarantines_its_box_and_not_its_batch() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    story.happens("b2", "ops", [installed("b2")]);
    let bad = story.happens("b1", "ann", [posted("b1.1", "ann", "a\0b", None)]);
    story.happens("b1", "ann", [posted("b1.1", "ann", "parked", None)]);
    story.happens("b2", "ann", [opened("b2.1", "ann")]);
    let changes = world.project_story(&story).await;
    let row = world.row("select box_id, position from quarantined_boxes").await;
    assert_eq!(row, json!({ "box_id": "b1", "position": bad }));
    assert!(world.texts("select reason from quarantined_boxes").await[0].starts_with("the database refuses it"));
    assert_eq!(world.texts("select room_id from rooms order by 1").await, ["b1.1", "b2.1"]);
    assert_eq!(world.row("select v from rooms where box_id = 'b1'").await, json!({ "v": 3 }));
    assert_eq!(changes.feed.len(), 4);
    assert_eq!(checkpoint(&mut world.connection, BOXES).await.position, 8);
}

#[tokio::test]
async fn an_unprojectable_user_event_stops_the_user_stream() {
    let mut world = World::start().await;
    for content in [
        Content::Unreadable { box_id: None, reason: "from the future".to_owned() },
        Content::User {
            user_id: "ann".parse().expect("a user id"),
            events: vec![UserEvent::NicknameChanged { nickname: "a".to_owned() }],
        },
    ] {
        let mut story = Story::new();
        story.add("ann", content);
        let mut at = checkpoint(&mut world.connection, StreamName::User).await;
        let mut projection = Projection::open(StreamName::User, projector::ProjectionMode::Live, &mut world.connection)
            .await
            .expect("a projection");
        let result = project_isolating_failures(&mut world.connection, &mut projection, &mut at, &story.commits).await;
        let stuck = matches!(result, Err(BatchError::Projection(ProjectionError::Stuck { sequence: 1, .. })));
        assert!(stuck, "{result:?}");
        assert_eq!(checkpoint(&mut world.connection, StreamName::User).await.position, 0);
    }
}

/// Projects the commits of a log after the checkpoint, in batches of this size.
async fn follow(world: &mut World, log: &MemoryLog, size: usize) -> Changes {
    let mut at = checkpoint(&mut world.connection, BOXES).await;
    let mut projection =
        Projection::open(BOXES, ProjectionMode::Live, &mut world.connection).await.expect("a projection");
    let mut all = Changes::default();
    for commits in commits_of(log).await.split_at(usize::try_from(at.position).expect("small")).1.chunks(size) {
        let changes = project_and_release(&mut world.connection, &mut projection, &mut at, commits, log);
        let changes = changes.await.expect("the commits are projected");
        all.feed.extend(changes.feed);
        all.alarms.extend(changes.alarms);
        all.released_alarms.extend(changes.released_alarms);
    }
    all
}

#[tokio::test]
async fn a_box_continues_without_a_dropped_event() {
    let mut world = World::start().await;
    let mut story = story_with_unreadable_commit();
    let log = story.on_log().await;
    follow(&mut world, &log, 3).await;
    assert_eq!(world.texts("select body from messages").await, ["flows"]);
    let told = story.commits.len();
    let drop = story.happens("b1", "ops", [dropped(5)]);
    story.happens("b1", "ann", [posted("b1.1", "ann", "later", None)]);
    append(&log, &story.commits[told..]).await;
    let changes = follow(&mut world, &log, 100).await;
    assert_eq!(world.texts("select body from messages order by message_id").await, ["parked", "flows", "later"]);
    let told: Vec<(u64, i64)> = changes.feed.iter().map(|row| (row.position, row.v)).collect();
    assert_eq!(told, [(6, 2), (drop + 1, 3)], "the waiting commit is in the feed, without a gap");
    for table in ["quarantined_boxes", "parked_events"] {
        assert!(world.rows(&format!("select * from {table}")).await.is_empty(), "{table}");
    }
    assert_eq!(checkpoint(&mut world.connection, BOXES).await.position, drop + 1);
}

#[tokio::test]
async fn boxes_are_retried_only_at_the_current_checkpoint() {
    let mut world = World::start().await;
    let mut story = story_with_unreadable_commit();
    let log = story.on_log().await;
    follow(&mut world, &log, 100).await;
    let frozen = checkpoint(&mut world.connection, BOXES).await;
    let mut projection =
        Projection::open(BOXES, ProjectionMode::Live, &mut world.connection).await.expect("a projection");
    let told = story.commits.len();
    story.happens("b1", "ops", [dropped(5)]);
    append(&log, &story.commits[told..]).await;
    follow(&mut world, &log, 100).await;
    let healed = everything(&mut world.connection).await;
    let thawed = retry_quarantined(&mut world.connection, &mut projection, &frozen, &*log).await;
    assert!(matches!(thawed, Err(ReadError::Overtaken)), "{thawed:?}");
    assert_eq!(everything(&mut world.connection).await, healed);
}

#[tokio::test]
async fn dropping_an_event_that_does_not_block_changes_nothing() {
    let mut world = World::start().await;
    let mut story = story_with_unreadable_commit();
    // A projected event, a waiting one, one that is yet to come, and one of another box.
    for (box_id, sequence) in [("b2", 7), ("b1", 6), ("b1", 99), ("b2", 5)] {
        story.happens(box_id, "ops", [dropped(sequence)]);
    }
    follow(&mut world, &*story.on_log().await, 100).await;
    assert_eq!(world.texts("select body from messages").await, ["flows"]);
    let row = world.row("select box_id, position from quarantined_boxes").await;
    assert_eq!(row, json!({ "box_id": "b1", "position": 5 }));
    let parked = world.texts("select position::text from parked_events order by parked_events.position").await;
    assert_eq!(parked, ["5", "6", "9", "10"]);
}

#[tokio::test]
async fn events_can_be_dropped_one_after_another() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    let bad = [
        story.add("ann", unreadable("b1")),
        story.happens("b1", "bob", [joined("b1.1", "bob")]),
        story.happens("b1", "ann", [posted("b1.1", "ann", "a\0b", None)]),
        story.add("ann", unreadable("b1")),
    ];
    story.happens("b1", "ann", [posted("b1.1", "ann", "fine", None)]);
    let log = story.on_log().await;
    follow(&mut world, &log, 100).await;
    // The last one first: its drop takes effect as soon as it blocks the box.
    for (sequence, next) in [(bad[3], Some(bad[0])), (bad[0], Some(bad[1])), (bad[1], Some(bad[2])), (bad[2], None)] {
        let told = story.commits.len();
        story.happens("b1", "ops", [dropped(sequence)]);
        append(&log, &story.commits[told..]).await;
        follow(&mut world, &log, 100).await;
        let parked = world.texts("select position::text from quarantined_boxes").await;
        assert_eq!(parked, next.map(|next| next.to_string()).into_iter().collect::<Vec<_>>());
    }
    assert_eq!(world.texts("select body from messages").await, ["fine"]);
    projector::generation::create(&world.database, 2, &origins()).await.expect("a generation");
    let grown = everything(&mut world.connection).await;
    world.connection = world.database.generation(2).await.expect("a connection");
    follow(&mut world, &log, 100).await;
    assert_eq!(everything(&mut world.connection).await, grown);
}

#[tokio::test]
async fn alarms_of_a_released_box_are_told_apart_from_new_ones() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    let bad = story.add("ann", unreadable("b1"));
    let waiting = story.happens("b1", "ann", [posted("b1.1", "ann", "@bob", None)]);
    let log = story.on_log().await;
    assert_eq!(follow(&mut world, &log, 100).await.alarms, []);
    let told = story.commits.len();
    story.happens("b1", "ops", [dropped(bad)]);
    let later = story.happens("b1", "ann", [posted("b1.1", "ann", "@cleo", None)]);
    append(&log, &story.commits[told..]).await;
    let changes = follow(&mut world, &log, 100).await;
    let released: Vec<u64> = changes.released_alarms.iter().map(|alarm| alarm.position).collect();
    let new: Vec<u64> = changes.alarms.iter().map(|alarm| alarm.position).collect();
    assert_eq!((released, new), (vec![waiting], vec![later]));
}
