//! Members who join, leave, are kicked and return.

use domain::{RoomClosedReason, RoomEvent};
use event_store::ActorRole;
use serde_json::json;

use crate::{
    story::{Story, joined, left, posted, room, time, user},
    world::World,
};

const MEMBERS: &str = "select user_id, standing, seat, joined_at from members order by seat";

#[tokio::test]
async fn members_have_seats_in_the_order_of_joining() {
    let mut world = World::start().await;
    world.project_story(&Story::of_three("b1")).await;
    let member = |user_id: &str, seat: u64| {
        json!({
            "user_id": user_id, "standing": "inside", "seat": seat, "joined_at": time(seat + 1).to_rfc3339()
        })
    };
    assert_eq!(world.rows(MEMBERS).await, [member("ann", 1), member("bob", 2), member("cleo", 3)]);
    assert_eq!(world.row("select member_count from rooms").await, json!({ "member_count": 3 }));
    assert_eq!(world.texts("select user_id from user_rooms order by 1").await, ["ann", "bob", "cleo"]);
}

#[tokio::test]
async fn former_members_keep_their_rows() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    story.happens("b1", "bob", [left("b1.1", "bob")]);
    let kicked = RoomEvent::MemberKicked { user_id: user("cleo"), by: user("ann") }.in_room(room("b1.1"));
    story.happens("b1", "ann", [kicked]);
    world.project_story(&story).await;
    assert_eq!(world.texts("select standing from members order by seat").await, ["inside", "left", "kicked"]);
    assert_eq!(world.row("select member_count from rooms").await, json!({ "member_count": 1 }));
    let own = "select user_id || ' ' || inside || coalesce(' ' || (closed_at = '2026-03-01T12:00:07Z'), '')
               from user_rooms order by 1";
    assert_eq!(world.texts(own).await, ["ann true", "bob false", "cleo false"]);
    let mut story = Story::from(7);
    story.happens("b1", "ann", [RoomEvent::RoomClosed { reason: RoomClosedReason::Host }.in_room(room("b1.1"))]);
    world.project_story(&story).await;
    assert_eq!(world.texts(own).await, ["ann true true", "bob false", "cleo false"]);
}

#[tokio::test]
async fn a_rejoined_member_sits_last_and_own_messages_stay_read() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    story.happens("b1", "bob", [posted("b1.1", "bob", "hello", None)]);
    story.happens("b1", "bob", [left("b1.1", "bob")]);
    world.project_story(&story).await;
    let mut story = Story::from(7);
    story.happens("b1", "bob", [joined("b1.1", "bob")]);
    world.project_story(&story).await;
    let bob = world.row("select standing, seat, joined_at, posts from members where user_id = 'bob'").await;
    let expected = json!({ "standing": "inside", "seat": 4, "joined_at": time(7).to_rfc3339(), "posts": 1 });
    assert_eq!(bob, expected);
    assert_eq!(world.texts("select user_id from user_rooms order by 1").await, ["ann", "bob", "cleo"]);
    assert_eq!(world.row("select member_count from rooms").await, json!({ "member_count": 3 }));
}

#[tokio::test]
async fn a_user_whose_kick_was_lifted_has_left_and_can_return() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    let kicked = RoomEvent::MemberKicked { user_id: user("cleo"), by: user("ann") }.in_room(room("b1.1"));
    story.happens("b1", "ann", [kicked]);
    world.project_story(&story).await;
    let mut story = Story::from(6);
    story.happens("b1", "mia", [RoomEvent::KickLifted { user_id: user("cleo") }.in_room(room("b1.1"))]);
    story.commits[0].role = Some(ActorRole::Moderator);
    let changes = world.project_story(&story).await;
    assert_eq!(world.texts("select standing from members order by seat").await, ["inside", "inside", "left"]);
    assert_eq!(world.row("select member_count from rooms").await, json!({ "member_count": 2 }));
    assert!(changes.feed.iter().all(|row| row.by.is_none()), "members see a moderator");
    let mut story = Story::from(7);
    story.happens("b1", "cleo", [joined("b1.1", "cleo")]);
    world.project_story(&story).await;
    assert_eq!(world.texts("select standing from members order by seat").await, ["inside", "inside", "inside"]);
}
