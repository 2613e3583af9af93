//! A room's feed: dense versions, and exactly the JSON of the public API.

use chrono::TimeDelta;
use domain::{BoxEvent, OwnEvent, RoomClosedReason, RoomEvent, delivery_box::HostChange, values::Step};
use event_store::ActorRole;
use serde_json::{Value, json};

use crate::{
    story::{Story, deleted, edited, installed, joined, left, opened, posted, reacted, room, time, unreacted, user},
    world::World,
};

/// A story with every event that a feed can show.
fn everything_that_happens() -> Story {
    let mut story = Story::new();
    let room_id = room("b1.1");
    let closes_at = time(0) + TimeDelta::hours(4);
    let change = HostChange::Succession;
    story.happens("b1", "ops", [installed("b1")]);
    story.happens("b1", "ann", [opened("b1.1", "ann")]);
    story.happens("b1", "bob", [joined("b1.1", "bob")]);
    story.happens("b1", "cleo", [joined("b1.1", "cleo")]);
    story.happens("b1", "dan", [joined("b1.1", "dan")]);
    let transferred =
        RoomEvent::HostTransferred { from: user("ann"), to: user("bob"), change }.in_room(room_id.clone());
    story.happens("b1", "ann", [left("b1.1", "ann"), transferred]);
    let kicked = RoomEvent::MemberKicked { user_id: user("cleo"), by: user("bob") }.in_room(room_id.clone());
    story.happens("b1", "bob", [kicked]);
    story.happens("b1", "bob", [RoomEvent::StepAdvanced { step: Step::Ordering }.in_room(room_id.clone())]);
    let extended = RoomEvent::RoomExtended { extension: 1, hours: 1, closes_at }.in_room(room_id.clone());
    story.happens("b1", "bob", [extended]);
    story.happens("b1", "b1", [BoxEvent::Box(OwnEvent::OrderArrived { room_id: Some(room_id.clone()) })]);
    story.happens("b1", "b1", [BoxEvent::Box(OwnEvent::DoorOpened { room_id: Some(room_id.clone()) })]);
    let kept = story.happens("b1", "bob", [posted("b1.1", "bob", "here", None)]);
    let gone = story.happens("b1", "dan", [posted("b1.1", "dan", "wher", Some(kept))]);
    story.happens("b1", "dan", [edited("b1.1", gone, "where")]);
    story.happens("b1", "dan", [reacted("b1.1", kept, "dan", "👍")]);
    story.happens("b1", "dan", [unreacted("b1.1", kept, "dan", "👍")]);
    story.happens("b1", "bob", [deleted("b1.1", gone, "bob")]);
    story.happens("b1", "system", [RoomEvent::RoomClosingSoon { closes_at }.in_room(room_id.clone())]);
    story.happens("b1", "system", [RoomEvent::RoomClosed { reason: RoomClosedReason::Expired }.in_room(room_id)]);
    story
}

fn expected_feed() -> Vec<Value> {
    let closes_at = |hours| (time(0) + TimeDelta::hours(hours)).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
    let posted = |message_id: &str, author: &str, body: Value, reply_to: Value| {
        json!({
            "message_id": message_id, "author": author, "body": body, "erased": false, "reply_to": reply_to,
            "mentions": [], "mentions_all": false,
        })
    };
    let edited_data =
        json!({ "message_id": "13", "body": null, "erased": false, "mentions": [], "mentions_all": false });
    let opened = json!({
        "store_id": "s1", "title": "Noodles", "title_erased": false, "host": "ann", "max_members": 4, "locked": true,
        "opened_at": "2026-03-01T12:00:00Z", "closes_at": closes_at(3),
    });
    [
        ("room_opened", "ann", opened),
        ("member_joined", "bob", json!({ "user_id": "bob" })),
        ("member_joined", "cleo", json!({ "user_id": "cleo" })),
        ("member_joined", "dan", json!({ "user_id": "dan" })),
        ("member_left", "ann", json!({ "user_id": "ann" })),
        ("host_transferred", "ann", json!({ "from": "ann", "to": "bob", "change": "succession" })),
        ("member_kicked", "bob", json!({ "user_id": "cleo" })),
        ("step_advanced", "bob", json!({ "step": "ordering" })),
        ("room_extended", "bob", json!({ "extension": 1, "hours": 1, "closes_at": closes_at(4) })),
        ("order_arrived", "b1", json!({})),
        ("door_opened", "b1", json!({})),
        ("message_posted", "bob", posted("12", "bob", json!("here"), json!(null))),
        ("message_posted", "dan", posted("13", "dan", json!(null), json!("12"))),
        ("message_edited", "dan", edited_data),
        ("reaction_added", "dan", json!({ "message_id": "12", "user_id": "dan", "emoji": "👍" })),
        ("reaction_removed", "dan", json!({ "message_id": "12", "user_id": "dan", "emoji": "👍" })),
        ("message_deleted", "bob", json!({ "message_id": "13", "by_moderator": false })),
        ("room_closing_soon", "", json!({ "closes_at": closes_at(4) })),
        ("room_closed", "", json!({ "reason": "expired" })),
    ]
    .into_iter()
    .zip(1..)
    .map(|((kind, by, data), v)| {
        let by = if by.is_empty() { Value::Null } else { by.into() };
        json!({ "v": v, "type": kind, "by": by, "data": data })
    })
    .collect()
}

#[tokio::test]
async fn every_event_of_a_room_has_a_version_and_its_public_form() {
    let mut world = World::start().await;
    let story = everything_that_happens();
    let changes = world.project_story(&story).await;
    assert_eq!(world.rows("select v, type, by, data from room_events order by v").await, expected_feed());
    assert_eq!(world.row("select v from rooms").await, json!({ "v": 19 }));
    let pushed: Vec<Value> = changes
        .feed
        .iter()
        .map(|row| json!({ "v": row.v, "type": row.kind, "by": row.by, "data": row.data }))
        .collect();
    assert_eq!(pushed, expected_feed(), "what is pushed is what can be read");
}

#[tokio::test]
async fn a_feed_row_knows_its_command_time_message_and_place_in_the_log() {
    let mut world = World::start().await;
    world.project_story(&everything_that_happens()).await;
    let row = world.row("select at, command_id, message_id, position from room_events where v = 14").await;
    let expected = json!({
        "at": time(14).to_rfc3339(), "command_id": "command-14", "message_id": 13, "position": 14
    });
    assert_eq!(row, expected);
}

#[tokio::test]
async fn a_feed_row_has_the_ids_of_commands_of_users_only() {
    let mut world = World::start().await;
    let mut story = everything_that_happens();
    for commit in &mut story.commits {
        commit.role = Some(match commit.actor.as_str() {
            "ops" => ActorRole::Operator,
            "b1" => ActorRole::Device,
            "system" => ActorRole::System,
            _ => ActorRole::User,
        });
    }
    world.project_story(&story).await;
    let without_id = world.rows("select v, type from room_events where command_id is null order by v").await;
    let expected = [
        json!({ "v": 10, "type": "order_arrived" }),
        json!({ "v": 11, "type": "door_opened" }),
        json!({ "v": 18, "type": "room_closing_soon" }),
        json!({ "v": 19, "type": "room_closed" }),
    ];
    assert_eq!(without_id, expected);
}

#[tokio::test]
async fn a_notification_is_the_feed_row_as_json() {
    let mut world = World::start().await;
    let changes = world.project_story(&Story::of_three("b1")).await;
    let expected = json!({
        "v": 2, "type": "member_joined", "at": "2026-03-01T12:00:03Z", "by": "bob",
        "data": { "user_id": "bob" }, "command_id": "command-3",
    });
    assert_eq!(serde_json::to_value(&changes.feed[1]).expect("JSON"), expected);
}

#[tokio::test]
async fn no_password_is_in_the_read_model() {
    let mut world = World::start().await;
    let mut story = everything_that_happens();
    story.happens("b1", "ann", [opened("b1.2", "ann")]);
    world.project_story(&story).await;
    for (table, rows) in crate::world::everything(&mut world.connection).await {
        assert!(rows.iter().all(|row| !row.to_string().contains("argon2")), "{table} holds a password's hash");
    }
}

#[tokio::test]
async fn a_commit_without_events_has_no_row_and_no_version() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    story.happens("b1", "ann", []);
    let last = story.happens("b1", "bob", [posted("b1.1", "bob", "hello", None)]);
    let changes = world.project_story(&story).await;
    assert_eq!(
        world.texts("select v || ' ' || position from room_events order by v").await.last(),
        Some(&format!("4 {last}"))
    );
    assert_eq!(world.texts("select v::text from room_events order by v").await, ["1", "2", "3", "4"]);
    assert_eq!(changes.alarms.len(), 0);
}
