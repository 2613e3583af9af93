//! The alarms of each event: for the users concerned, never for the actor.

use chrono::TimeDelta;
use domain::{BoxEvent, OwnEvent, RoomClosedReason, RoomEvent, delivery_box::HostChange};
use serde_json::json;

use crate::{
    story::{Story, deleted, edited, joined, left, mentioning, posted, reacted, room, time, unreacted, user},
    world::World,
};

/// Projects a story; returns the user and kind of each alarm caused by its last commit.
async fn alarms_of_last_commit(story: &Story) -> Vec<(String, &'static str)> {
    let mut world = World::start().await;
    let changes = world.project_story(story).await;
    let last = story.commits.last().expect("a commit").sequence;
    let mut stored = world.texts(&format!("select user_id || ' ' || kind from alarms where position = {last}")).await;
    let changes = changes.alarms.iter().filter(|alarm| alarm.position == last);
    let told: Vec<_> = changes.map(|alarm| (alarm.user_id.to_string(), alarm.kind.as_str())).collect();
    let mut as_told: Vec<_> = told.iter().map(|(who, what)| format!("{who} {what}")).collect();
    as_told.sort();
    stored.sort();
    assert_eq!(stored, as_told, "alarms sent and stored are equal");
    told
}

fn expected_alarms(expected: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    expected.iter().map(|(who, what)| ((*who).to_owned(), *what)).collect()
}

#[tokio::test]
async fn a_reply_alarms_the_author_of_the_message() {
    let mut story = Story::of_three("b1");
    let message = story.happens("b1", "ann", [posted("b1.1", "ann", "soup?", None)]);
    story.happens("b1", "bob", [posted("b1.1", "bob", "yes", Some(message))]);
    assert_eq!(alarms_of_last_commit(&story).await, expected_alarms(&[("ann", "reply")]));
}

#[tokio::test]
async fn a_reply_to_an_own_message_raises_no_alarm() {
    let mut story = Story::of_three("b1");
    let message = story.happens("b1", "ann", [posted("b1.1", "ann", "soup?", None)]);
    story.happens("b1", "ann", [posted("b1.1", "ann", "@ann anybody?", Some(message))]);
    assert_eq!(alarms_of_last_commit(&story).await, []);
}

#[tokio::test]
async fn a_reply_to_a_former_member_raises_no_alarm() {
    let mut story = Story::of_three("b1");
    let message = story.happens("b1", "bob", [posted("b1.1", "bob", "soup?", None)]);
    story.happens("b1", "bob", [left("b1.1", "bob")]);
    story.happens("b1", "ann", [posted("b1.1", "ann", "yes, @bob", Some(message))]);
    assert_eq!(alarms_of_last_commit(&story).await, []);
}

#[tokio::test]
async fn a_mention_alarms_only_members() {
    let mut story = Story::of_three("b1");
    story.happens("b1", "ann", [posted("b1.1", "ann", "@bob, @zoe and @ann: @Cleo cooks", None)]);
    assert_eq!(alarms_of_last_commit(&story).await, expected_alarms(&[("bob", "mention"), ("cleo", "mention")]));
}

#[tokio::test]
async fn the_stored_mentions_alarm_and_not_those_in_the_text() {
    let mut story = Story::of_three("b1");
    story.happens("b1", "ann", [mentioning(posted("b1.1", "ann", "`@cleo` @bob", None), &["bob"])]);
    assert_eq!(alarms_of_last_commit(&story).await, expected_alarms(&[("bob", "mention")]));
    story.happens("b1", "ann", [mentioning(posted("b1.1", "ann", "@all", None), &["all"])]);
    assert_eq!(alarms_of_last_commit(&story).await, expected_alarms(&[("bob", "mention"), ("cleo", "mention")]));
}

#[tokio::test]
async fn an_edit_alarms_each_newly_mentioned_user_once() {
    let mut story = Story::of_three("b1");
    let message = story.happens("b1", "ann", [mentioning(posted("b1.1", "ann", "@bob", None), &["bob"])]);
    let edit = |users| [mentioning(edited("b1.1", message, "changed"), users)];
    story.happens("b1", "ann", edit(&["bob", "cleo", "ann"]));
    assert_eq!(alarms_of_last_commit(&story).await, expected_alarms(&[("cleo", "mention")]));
    let expected = json!({
        "user_id": "cleo", "at": time(6).to_rfc3339(), "box_id": "b1", "position": 6, "kind": "mention",
        "room_id": "b1.1", "message_id": 5, "by": "ann", "stream": "box-0", "count": 1, "latest": 6, "changed": 6,
        "withdrawn": null, "reactors": null,
    });
    let mut world = World::start().await;
    world.project_story(&story).await;
    assert_eq!(world.row("select * from alarms where position = 6").await, expected);
    for users in [&[][..], &["bob", "cleo"], &["all"]] {
        story.happens("b1", "ann", edit(users));
        assert_eq!(alarms_of_last_commit(&story).await, [], "{users:?}");
    }
    story.happens("b1", "ann", [edited("b1.1", message, "@bob")]);
    assert_eq!(alarms_of_last_commit(&story).await, [], "an edit of an earlier release");
}

#[tokio::test]
async fn a_message_causes_at_most_20_alarms() {
    let mut story = Story::of_three("b1");
    let names: Vec<String> = (0..30).map(|number| format!("user{number:02}")).collect();
    for name in &names {
        story.happens("b1", name, [joined("b1.1", name)]);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let first = story.happens("b1", "bob", [posted("b1.1", "bob", "soup?", None)]);
    let reply = posted("b1.1", "ann", "yes", Some(first));
    let message = story.happens("b1", "ann", [mentioning(reply, &names[..15])]);
    assert_eq!(alarms_of_last_commit(&story).await.len(), 16);
    story.happens("b1", "ann", [mentioning(edited("b1.1", message, "yes!"), &names[12..])]);
    assert_eq!(alarms_of_last_commit(&story).await.len(), 4);
    story.happens("b1", "ann", [mentioning(edited("b1.1", message, "@all"), &["all"])]);
    assert_eq!(alarms_of_last_commit(&story).await.len(), 30 + 2 - 19);
}

#[tokio::test]
async fn each_effective_reaction_alarms_the_author_once() {
    let mut story = Story::of_three("b1");
    let message = story.happens("b1", "ann", [posted("b1.1", "ann", "soup?", None)]);
    story.happens("b1", "bob", [reacted("b1.1", message, "bob", "👍")]);
    assert_eq!(alarms_of_last_commit(&story).await, expected_alarms(&[("ann", "reaction")]));
    story.happens("b1", "bob", [reacted("b1.1", message, "bob", "👍")]);
    assert_eq!(alarms_of_last_commit(&story).await, [], "it was there already");
    story.happens("b1", "bob", [unreacted("b1.1", message, "bob", "👍")]);
    assert_eq!(alarms_of_last_commit(&story).await, []);
    story.happens("b1", "ann", [reacted("b1.1", message, "ann", "👍")]);
    assert_eq!(alarms_of_last_commit(&story).await, [], "it is the author's own");
    story.happens("b1", "ann", [deleted("b1.1", message, "ann")]);
    story.happens("b1", "cleo", [reacted("b1.1", message, "cleo", "👍")]);
    assert_eq!(alarms_of_last_commit(&story).await, [], "the message is gone");
}

#[tokio::test]
async fn a_kick_alarms_the_kicked_user() {
    let mut story = Story::of_three("b1");
    let kicked = RoomEvent::MemberKicked { user_id: user("bob"), by: user("ann") }.in_room(room("b1.1"));
    story.happens("b1", "ann", [kicked]);
    assert_eq!(alarms_of_last_commit(&story).await, expected_alarms(&[("bob", "kicked")]));
}

#[tokio::test]
async fn a_host_transfer_alarms_the_new_host() {
    let mut story = Story::of_three("b1");
    let change = HostChange::Succession;
    let transferred = RoomEvent::HostTransferred { from: user("ann"), to: user("bob"), change }.in_room(room("b1.1"));
    story.happens("b1", "ann", [left("b1.1", "ann"), transferred]);
    assert_eq!(alarms_of_last_commit(&story).await, expected_alarms(&[("bob", "made_host")]));
}

#[tokio::test]
async fn a_closing_alarms_all_members_except_the_closer() {
    let mut story = Story::of_three("b1");
    story.happens("b1", "cleo", [left("b1.1", "cleo")]);
    let mut other = Story::of_three("b1");
    story.happens("b1", "ann", [RoomEvent::RoomClosed { reason: RoomClosedReason::Host }.in_room(room("b1.1"))]);
    assert_eq!(alarms_of_last_commit(&story).await, expected_alarms(&[("bob", "room_closed")]));
    let expired = RoomEvent::RoomClosed { reason: RoomClosedReason::Expired }.in_room(room("b1.1"));
    other.happens("b1", "system", [expired]);
    let everybody = expected_alarms(&[("ann", "room_closed"), ("bob", "room_closed"), ("cleo", "room_closed")]);
    assert_eq!(alarms_of_last_commit(&other).await, everybody);
}

#[tokio::test]
async fn a_closing_soon_alarms_all_members() {
    let mut story = Story::of_three("b1");
    let warned = RoomEvent::RoomClosingSoon { closes_at: time(7200) }.in_room(room("b1.1"));
    story.happens("b1", "system", [warned]);
    let everybody = expected_alarms(&[("ann", "closing_soon"), ("bob", "closing_soon"), ("cleo", "closing_soon")]);
    assert_eq!(alarms_of_last_commit(&story).await, everybody);
}

#[tokio::test]
async fn an_arrival_alarms_all_members() {
    let mut story = Story::of_three("b1");
    story.happens("b1", "b1", [BoxEvent::Box(OwnEvent::OrderArrived { room_id: Some(room("b1.1")) })]);
    let everybody = expected_alarms(&[("ann", "order_arrived"), ("bob", "order_arrived"), ("cleo", "order_arrived")]);
    assert_eq!(alarms_of_last_commit(&story).await, everybody);
}

#[tokio::test]
async fn an_arrival_alarms_a_user_whose_id_is_that_of_the_box() {
    let mut story = Story::of_three("b1");
    story.happens("b1", "ann", [BoxEvent::Box(OwnEvent::OrderArrived { room_id: Some(room("b1.1")) })]);
    story.commits.last_mut().expect("a commit").role = Some(event_store::ActorRole::Device);
    let everybody = expected_alarms(&[("ann", "order_arrived"), ("bob", "order_arrived"), ("cleo", "order_arrived")]);
    assert_eq!(alarms_of_last_commit(&story).await, everybody);
}

#[tokio::test]
async fn an_extension_alarms_all_members_except_the_host() {
    let mut story = Story::of_three("b1");
    let extended = RoomEvent::RoomExtended { extension: 1, hours: 1, closes_at: time(7200) }.in_room(room("b1.1"));
    story.happens("b1", "ann", [extended]);
    let expected = expected_alarms(&[("bob", "room_extended"), ("cleo", "room_extended")]);
    assert_eq!(alarms_of_last_commit(&story).await, expected);
}

#[tokio::test]
async fn an_opened_door_alarms_all_members_except_the_one_who_opened_it() {
    let door_opened = || [BoxEvent::Box(OwnEvent::DoorOpened { room_id: Some(room("b1.1")) })];
    let mut story = Story::of_three("b1");
    story.happens("b1", "b1", door_opened());
    let everybody = expected_alarms(&[("ann", "door_opened"), ("bob", "door_opened"), ("cleo", "door_opened")]);
    assert_eq!(alarms_of_last_commit(&story).await, everybody);
    story.happens("b1", "bob", door_opened());
    let others = expected_alarms(&[("ann", "door_opened"), ("cleo", "door_opened")]);
    assert_eq!(alarms_of_last_commit(&story).await, others);
    story.happens("b1", "b1", [BoxEvent::Box(OwnEvent::DoorOpened { room_id: None })]);
    assert_eq!(alarms_of_last_commit(&story).await, []);
}

/// Posts a message this long after the opening of the room.
fn posts_after(story: &mut Story, minutes: i64, author: &str, body: &str, reply_to: Option<u64>) -> u64 {
    let message = story.happens("b1", author, [posted("b1.1", author, body, reply_to)]);
    story.commits.last_mut().expect("a commit").at = time(0) + TimeDelta::minutes(minutes);
    message
}

#[tokio::test]
async fn the_first_message_after_half_an_hour_alarms_all_other_members() {
    let everybody = || expected_alarms(&[("bob", "message_after_silence"), ("cleo", "message_after_silence")]);
    let mut story = Story::of_three("b1");
    posts_after(&mut story, 30, "ann", "soup?", None);
    assert_eq!(alarms_of_last_commit(&story).await, everybody(), "30 minutes after the opening");
    posts_after(&mut story, 31, "bob", "yes", None);
    assert_eq!(alarms_of_last_commit(&story).await, []);
    let message = posts_after(&mut story, 60, "ann", "well?", None);
    assert_eq!(alarms_of_last_commit(&story).await, [], "29 minutes later");
    story.happens("b1", "ann", [deleted("b1.1", message, "ann")]);
    posts_after(&mut story, 89, "ann", "well?", None);
    assert_eq!(alarms_of_last_commit(&story).await, [], "29 minutes after a deleted message");
    posts_after(&mut story, 119, "ann", "well?", None);
    assert_eq!(alarms_of_last_commit(&story).await, everybody());
}

#[tokio::test]
async fn a_message_after_a_silence_alarms_each_member_once() {
    let mut story = Story::of_three("b1");
    let question = posts_after(&mut story, 1, "bob", "soup?", None);
    posts_after(&mut story, 40, "ann", "yes", Some(question));
    let expected = expected_alarms(&[("bob", "reply"), ("cleo", "message_after_silence")]);
    assert_eq!(alarms_of_last_commit(&story).await, expected);
    posts_after(&mut story, 80, "ann", "@bob @cleo", None);
    let expected = expected_alarms(&[("bob", "mention"), ("cleo", "mention")]);
    assert_eq!(alarms_of_last_commit(&story).await, expected);
    story.happens("b1", "cleo", [left("b1.1", "cleo")]);
    posts_after(&mut story, 120, "ann", "hello?", None);
    assert_eq!(alarms_of_last_commit(&story).await, expected_alarms(&[("bob", "message_after_silence")]));
}

#[tokio::test]
async fn a_message_after_a_silence_causes_at_most_20_alarms() {
    let mut story = Story::of_three("b1");
    let names: Vec<String> = (0..30).map(|number| format!("user{number:02}")).collect();
    for name in &names {
        story.happens("b1", name, [joined("b1.1", name)]);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    story.happens("b1", "ann", [mentioning(posted("b1.1", "ann", "well?", None), &names[25..])]);
    let at = time(0) + TimeDelta::minutes(40);
    story.commits.last_mut().expect("a commit").at = at;
    let alarms = alarms_of_last_commit(&story).await;
    let of_kind = |kind| alarms.iter().filter(|(_, other)| *other == kind).count();
    assert_eq!((of_kind("mention"), of_kind("message_after_silence"), alarms.len()), (5, 15, 20));
}

#[tokio::test]
async fn an_alarm_names_room_message_and_actor() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    story.happens("b1", "ann", [posted("b1.1", "ann", "@bob", None)]);
    world.project_story(&story).await;
    let expected = json!({
        "user_id": "bob", "at": time(5).to_rfc3339(), "box_id": "b1", "position": 5, "kind": "mention",
        "room_id": "b1.1", "message_id": 5, "by": "ann", "stream": "box-0",
        "count": 1, "latest": 5, "changed": 5, "withdrawn": null, "reactors": null,
    });
    assert_eq!(world.row("select * from alarms").await, expected);
}
