//! Notifications of changed rooms: sent after the commit, for the users concerned only.

use domain::{MessageId, RoomClosedReason, RoomEvent};
use harness::Account;
use projector::Content;
use serde_json::{Value, json};
use wire::StreamName;

use crate::{
    following::next,
    process::{Servers, until},
    story::{Story, joined, left, posted, reacted, room, user},
    world::World,
};

fn everybody() -> Value {
    json!({ "room_id": "b1.1" })
}

fn only(who: &str) -> Value {
    json!({ "room_id": "b1.1", "user_id": who })
}

#[tokio::test]
async fn messages_and_closings_touch_all_members_and_other_events_the_actor() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    world.project_story(&story).await;
    let kicked = RoomEvent::MemberKicked { user_id: user("cleo"), by: user("ann") }.in_room(room("b1.1"));
    let closed = RoomEvent::RoomClosed { reason: RoomClosedReason::Host }.in_room(room("b1.1"));
    for (event, touched) in [
        (posted("b1.1", "ann", "soup?", None), vec![everybody(), only("ann")]),
        (reacted("b1.1", 5, "bob", "+1"), vec![]),
        (left("b1.1", "bob"), vec![only("bob")]),
        (joined("b1.1", "bob"), vec![only("bob")]),
        (kicked, vec![only("cleo")]),
        (closed, vec![everybody()]),
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
    assert_eq!(serde_json::to_value(changes.room_changes).expect("JSON"), json!([only("bob")]));
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
    let mut touched = listener.subscribe("live.g1.touched.*").await.expect("a subscription");
    let mut echo = listener.subscribe("signal.echo").await.expect("a subscription");
    listener.publish("signal.echo", "".into()).await.expect("sent");
    next(&mut echo).await;
    for n in 1..10 {
        let said = sample.say("b1", "hello").await;
        let notice = next(&mut touched).await;
        let ordinal: i64 =
            sqlx::query_scalar("select last_ordinal from rooms").fetch_one(&mut rows).await.expect("a row");
        assert_eq!(ordinal, n, "notified before it could be read");
        assert_eq!(notice.subject.as_str(), format!("live.g1.touched.{}", said.position.stream));
        let found: Value = serde_json::from_slice(&notice.payload).expect("JSON");
        assert_eq!(found, json!([everybody(), only("ann")]));

        sample.mark("b1", said.sequence).await;
        let notice = next(&mut touched).await;
        let marker: i64 =
            sqlx::query_scalar("select message_id from read_markers").fetch_one(&mut rows).await.expect("a row");
        assert_eq!(marker, said.sequence.cast_signed());
        assert_eq!(notice.subject.as_str(), "live.g1.touched.mark");
        assert_eq!(serde_json::from_slice::<Value>(&notice.payload).expect("JSON"), json!([only("ann")]));
    }
}
