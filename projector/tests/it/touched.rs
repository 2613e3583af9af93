//! Notifications of changed rooms: sent after the commit, for the users concerned only.

use async_nats::Message;
use domain::{MessageId, RoomClosedReason, RoomEvent};
use harness::Account;
use projector::Content;
use serde_json::{Value, json};
use wire::StreamName;

use crate::{
    following::next,
    process::{Servers, until},
    story::{Story, deleted, joined, left, posted, reacted, room, user},
    world::World,
};

/// New versions of the room's feed after one.
fn counts(after_v: i64, v: i64, facts: &[Value]) -> Value {
    json!({ "room_id": "b1.1", "after_v": after_v, "v": v, "facts": facts })
}

fn posted_fact(v: i64, message_id: u64, author: &str) -> Value {
    json!({ "v": v, "message_id": message_id.to_string(), "author": author })
}

fn member(who: &str) -> Value {
    json!({ "room_id": "b1.1", "user_id": who })
}

fn marker(who: &str, message_id: u64) -> Value {
    json!({ "room_id": "b1.1", "user_id": who, "message_id": message_id.to_string() })
}

#[tokio::test]
async fn notifications_have_facts_for_all_members_and_the_memberships_that_changed() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    world.project_story(&story).await;
    let kicked = RoomEvent::MemberKicked { user_id: user("cleo"), by: user("ann") }.in_room(room("b1.1"));
    let closed = RoomEvent::RoomClosed { reason: RoomClosedReason::Host }.in_room(room("b1.1"));
    let mut deleted_fact = posted_fact(6, 5, "ann");
    deleted_fact["deleted"] = true.into();
    for (event, touched) in [
        (posted("b1.1", "ann", "soup?", None), vec![counts(3, 4, &[posted_fact(4, 5, "ann")])]),
        (reacted("b1.1", 5, "bob", "+1"), vec![counts(4, 5, &[])]),
        (deleted("b1.1", 5, "ann"), vec![counts(5, 6, &[deleted_fact])]),
        (deleted("b1.1", 5, "ann"), vec![]),
        (left("b1.1", "bob"), vec![counts(6, 7, &[]), member("bob")]),
        (joined("b1.1", "bob"), vec![counts(7, 8, &[]), member("bob")]),
        (kicked, vec![counts(8, 9, &[]), member("cleo")]),
        (closed, vec![counts(9, 10, &[]), member("ann"), member("bob")]),
    ] {
        story = Story::from(story.commits.last().map_or(1, |last| last.sequence + 1));
        story.happens("b1", "ann", [event]);
        let changes = world.project_story(&story).await;
        assert_eq!(
            serde_json::to_value(changes.room_changes).expect("JSON"),
            Value::from(touched),
            "{:?}",
            story.commits
        );
    }
    let mut story = Story::new();
    story.add("bob", Content::Mark { room_id: room("b1.1"), user_id: user("bob"), message_id: MessageId::new(5) });
    let changes = world.project(StreamName::Mark, &story.commits).await;
    assert_eq!(serde_json::to_value(changes.room_changes).expect("JSON"), json!([marker("bob", 5)]));
}

#[tokio::test]
async fn the_facts_of_a_large_batch_are_split() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    for _ in 0..450 {
        story.happens("b1", "ann", [posted("b1.1", "ann", "soup?", None)]);
    }
    let changes = serde_json::to_value(world.project_story(&story).await.room_changes).expect("JSON");
    let counts: Vec<&Value> =
        changes.as_array().into_iter().flatten().filter(|change| change["after_v"].is_i64()).collect();
    let versions: Vec<_> = counts.iter().map(|part| (part["after_v"].clone(), part["v"].clone())).collect();
    assert_eq!(versions, [(0, 200), (200, 400), (400, 453)].map(|(after_v, v)| (json!(after_v), json!(v))));
    let facts: usize = counts.iter().map(|part| part["facts"].as_array().map_or(0, Vec::len)).sum();
    assert_eq!(facts, 450);
}

#[tokio::test]
async fn a_notified_change_can_be_read() {
    let servers = Servers::start().await;
    let sample = servers.sample().await;
    let projector = servers.projector("projector").await;
    projector.is_ready().await;
    sample.open("b1").await;
    let mut rows = servers.read_model().await;
    until(&mut rows, "select count(*) from rooms", 1).await;
    let listener = servers.client(Account::Query).await;
    let mut live = listener.subscribe("live.g1.*").await.expect("a subscription");
    let mut echo = listener.subscribe("signal.echo").await.expect("a subscription");
    listener.publish("signal.echo", "".into()).await.expect("sent");
    next(&mut echo).await;
    for n in 1..10 {
        let said = sample.say("b1", "hello").await;
        let notice = next(&mut live).await;
        let ordinal: i64 =
            sqlx::query_scalar("select last_ordinal from rooms").fetch_one(&mut rows).await.expect("a row");
        assert_eq!(ordinal, n, "notified before it could be read");
        assert_eq!(notice.subject.as_str(), format!("live.g1.{}", said.position.stream));
        let v = n + 1;
        assert_eq!(room_changes(&notice), [counts(n, v, &[posted_fact(v, said.sequence, "ann")])]);

        sample.mark("b1", said.sequence).await;
        let notice = next(&mut live).await;
        let marked: i64 =
            sqlx::query_scalar("select message_id from read_markers").fetch_one(&mut rows).await.expect("a row");
        assert_eq!(marked, said.sequence.cast_signed());
        assert_eq!(notice.subject.as_str(), "live.g1.mark");
        assert_eq!(room_changes(&notice), [marker("ann", said.sequence)]);
    }
}

/// The changes of users' own view of rooms in a notification.
fn room_changes(notification: &Message) -> Vec<Value> {
    let changes: Vec<Value> = serde_json::from_slice(&notification.payload).expect("JSON");
    changes.into_iter().filter_map(|mut change| Some(change.get_mut("room")?.take())).collect()
}
