//! Co-hosts, muted members, pinned messages, invitations and changes of rooms.

use domain::{BoxEvent, MessageId, RoomEvent, delivery_box::HostChange};
use serde_json::json;

use crate::{
    story::{Story, deleted, joined, left, posted, room, time, user},
    world::World,
};

fn in_room(event: RoomEvent) -> BoxEvent {
    event.in_room(room("b1.1"))
}

fn pinned(message: u64) -> BoxEvent {
    in_room(RoomEvent::MessagePinned { message_id: MessageId::new(message), replaced: None })
}

fn muted(who: &str, until: u64) -> BoxEvent {
    in_room(RoomEvent::MemberMuted { user_id: user(who), muted_at: time(0), until: time(until) })
}

#[tokio::test]
async fn a_pin_has_no_effect_on_a_deleted_message_and_ends_with_the_deletion() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    let first = story.happens("b1", "bob", [posted("b1.1", "bob", "one", None)]);
    let second = story.happens("b1", "bob", [posted("b1.1", "bob", "two", None)]);
    let third = story.happens("b1", "bob", [posted("b1.1", "bob", "three", None)]);
    story.happens("b1", "ann", [pinned(first)]);
    story.happens("b1", "ann", [pinned(second)]);
    world.project_story(&story).await;
    let expected = json!({ "pins": [first.to_string(), second.to_string()] });
    assert_eq!(world.row("select pins from rooms").await, expected);
    let written = story.commits.len();
    story.happens("b1", "bob", [deleted("b1.1", first, "bob")]);
    story.happens("b1", "bob", [deleted("b1.1", third, "bob")]);
    // Decided before the deletion was known.
    story.happens("b1", "ann", [pinned(third)]);
    story.commits.drain(..written);
    world.project_story(&story).await;
    assert_eq!(world.row("select pins from rooms").await, json!({ "pins": [second.to_string()] }));
    let pins = world.texts("select data ->> 'message_id' from room_events where type = 'message_pinned'").await;
    assert_eq!(pins, [first.to_string(), second.to_string()]);
}

#[tokio::test]
async fn a_role_ends_with_the_membership_and_a_muting_does_not() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    story.happens("b1", "ann", [in_room(RoomEvent::CoHostAppointed { user_id: user("bob") })]);
    story.happens("b1", "ann", [muted("bob", 600)]);
    story.happens("b1", "ann", [muted("cleo", 600)]);
    world.project_story(&story).await;
    let written = story.commits.len();
    let bob = "select co_host, muted_until from members where user_id = 'bob'";
    assert_eq!(world.row(bob).await, json!({ "co_host": true, "muted_until": time(600).to_rfc3339() }));
    story.happens("b1", "bob", [left("b1.1", "bob")]);
    story.happens("b1", "bob", [joined("b1.1", "bob")]);
    let (from, to) = (user("ann"), user("cleo"));
    story.happens("b1", "ann", [in_room(RoomEvent::HostTransferred { from, to, change: HostChange::Transferred })]);
    story.commits.drain(..written);
    world.project_story(&story).await;
    assert_eq!(world.row(bob).await, json!({ "co_host": false, "muted_until": time(600).to_rfc3339() }));
    let cleo = "select co_host, muted_until from members where user_id = 'cleo'";
    assert_eq!(world.row(cleo).await, json!({ "co_host": false, "muted_until": null }));
}

#[tokio::test]
async fn invitations_are_counted_and_forgotten_when_another_is_made() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    let created = |invitation, created_at, expires_at| {
        in_room(RoomEvent::InvitationCreated {
            invitation,
            token_hash: "a secret hash".to_owned(),
            max_uses: 1,
            created_at: time(created_at),
            expires_at: time(expires_at),
        })
    };
    story.happens("b1", "ann", [created(1, 0, 60)]);
    story.happens("b1", "ann", [created(2, 1, 60)]);
    let used = in_room(RoomEvent::InvitationUsed { invitation: 2, user_id: user("dan") });
    story.happens("b1", "dan", [used, joined("b1.1", "dan")]);
    world.project_story(&story).await;
    let numbers =
        "select one ->> 'number' || ':' || (one ->> 'uses') from rooms, jsonb_array_elements(invitations) one";
    assert_eq!(world.texts(numbers).await, ["1:0", "2:1"]);
    let written = story.commits.len();
    story.happens("b1", "ann", [created(3, 60, 90)]);
    story.happens("b1", "ann", [created(4, 61, 90)]);
    story.happens("b1", "ann", [in_room(RoomEvent::InvitationRevoked { invitation: 3 })]);
    story.commits.drain(..written);
    world.project_story(&story).await;
    assert_eq!(world.texts(numbers).await, ["4:0"]);
    let data = world.texts("select data::text from room_events where type like 'room_invitation%'").await;
    assert!(data.iter().all(|data| !data.contains("hash")), "{data:?}");
}
