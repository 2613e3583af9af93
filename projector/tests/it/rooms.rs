//! The lifecycle of a room.

use chrono::TimeDelta;
use domain::{RoomClosedReason, RoomEvent, delivery_box::HostChange, values::Step};
use serde_json::json;

use crate::{
    story::{Story, installed, left, opened, room, time, user},
    world::World,
};

#[tokio::test]
async fn an_open_room_has_its_host_as_member_and_occupies_the_box() {
    let mut world = World::start().await;
    let mut story = Story::new();
    story.happens("b1", "ops", [installed("b1")]);
    story.happens("b1", "ann", [opened("b1.1", "ann")]);
    world.project_story(&story).await;
    let expected = json!({
        "box_id": "b1", "room_id": "b1.1", "number": 1, "store_id": "s1", "zip_code": "04109",
        "title": "Noodles", "title_erased": false, "status": "open",
        "closed_reason": null, "host": "ann", "member_count": 1, "max_members": 4, "locked": true,
        "step": "gathering", "opened_at": time(0).to_rfc3339(),
        "closes_at": (time(0) + TimeDelta::hours(3)).to_rfc3339(), "closed_at": null, "v": 1, "last_ordinal": 0,
        "last_activity_at": time(2).to_rfc3339(), "last_message_at": null, "title_by": "ann",
        "slow_mode_seconds": 0, "pins": [], "invitations": [],
        "words": "'noo*' 'nood*' 'noodl*' 'noodle*' 'noodles':1 's:s1'",
    });
    assert_eq!(world.row("select * from rooms").await, expected);
    let expected = json!({
        "box_id": "b1", "room_id": "b1.1", "user_id": "ann", "standing": "inside",
        "joined_at": time(2).to_rfc3339(), "seat": 1, "posts": 0, "co_host": false, "muted_until": null,
    });
    assert_eq!(world.row("select * from members").await, expected);
    let expected = json!({
        "user_id": "ann", "opened_at": time(0).to_rfc3339(), "room_id": "b1.1", "box_id": "b1", "inside": true,
        "closed_at": null,
    });
    assert_eq!(world.row("select * from user_rooms").await, expected);
    assert_eq!(world.texts("select room_id from boxes").await, ["b1.1"]);
}

#[tokio::test]
async fn a_room_advances_step_by_step() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    let room_id = room("b1.1");
    let closes_at = time(0) + TimeDelta::hours(5);
    story.happens("b1", "ann", [RoomEvent::StepAdvanced { step: Step::Ordered }.in_room(room_id.clone())]);
    story.happens(
        "b1",
        "ann",
        [RoomEvent::RoomExtended { extension: 1, hours: 2, closes_at }.in_room(room_id.clone())],
    );
    story.happens(
        "b1",
        "ann",
        [RoomEvent::HostTransferred { from: user("ann"), to: user("cleo"), change: HostChange::Transferred }
            .in_room(room_id)],
    );
    world.project_story(&story).await;
    let row = world.row("select step, closes_at, host, v from rooms").await;
    let expected = json!({ "step": "ordered", "closes_at": closes_at.to_rfc3339(), "host": "cleo", "v": 6 });
    assert_eq!(row, expected);
}

#[tokio::test]
async fn a_closed_room_frees_its_box_and_keeps_its_members() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    story.happens("b1", "ann", [RoomEvent::RoomClosed { reason: RoomClosedReason::Host }.in_room(room("b1.1"))]);
    world.project_story(&story).await;
    let row = world.row("select status, closed_reason, closed_at, member_count from rooms").await;
    let expected = json!({
        "status": "closed", "closed_reason": "host", "closed_at": time(5).to_rfc3339(), "member_count": 3
    });
    assert_eq!(row, expected);
    assert_eq!(world.row("select room_id from boxes").await, json!({ "room_id": null }));
    assert_eq!(world.texts("select standing from members").await, ["inside"; 3]);
}

#[tokio::test]
async fn the_next_room_on_a_box_closes_the_overdue_one_first() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    story.happens(
        "b1",
        "dan",
        [RoomEvent::RoomClosed { reason: RoomClosedReason::Expired }.in_room(room("b1.1")), opened("b1.2", "dan")],
    );
    let changes = world.project_story(&story).await;
    assert_eq!(world.texts("select room_id from boxes").await, ["b1.2"]);
    assert_eq!(world.texts("select status from rooms order by room_id").await, ["closed", "open"]);
    let closed = changes.feed.iter().find(|row| row.kind == "room_closed").expect("the closing is in the feed");
    assert_eq!((closed.v, &closed.by), (4, &None), "an expired room has no actor");
    let told: Vec<_> = changes.alarms.iter().map(|alarm| (alarm.user_id.as_str(), alarm.by.is_some())).collect();
    assert_eq!(told, [("ann", false), ("bob", false), ("cleo", false)]);
}

#[tokio::test]
async fn the_last_leaving_member_closes_the_room() {
    let mut world = World::start().await;
    let mut story = Story::new();
    story.happens("b1", "ops", [installed("b1")]);
    story.happens("b1", "ann", [opened("b1.1", "ann")]);
    let closed = RoomEvent::RoomClosed { reason: RoomClosedReason::Empty }.in_room(room("b1.1"));
    story.happens("b1", "ann", [left("b1.1", "ann"), closed]);
    let changes = world.project_story(&story).await;
    let row = world.row("select status, closed_reason, member_count, v from rooms").await;
    assert_eq!(row, json!({ "status": "closed", "closed_reason": "empty", "member_count": 0, "v": 3 }));
    assert!(changes.alarms.is_empty());
}
