//! Messages: posted, edited, deleted.

use serde_json::{Value, json};

use crate::{
    story::{Story, deleted, edited, posted, time},
    world::World,
};

#[tokio::test]
async fn messages_are_counted_in_their_room() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    let first = story.happens("b1", "ann", [posted("b1.1", "ann", "soup?", None)]);
    story.happens("b1", "bob", [posted("b1.1", "bob", "yes", Some(first))]);
    world.project_story(&story).await;
    let mut story = Story::from(7);
    story.happens("b1", "ann", [posted("b1.1", "ann", "good", None)]);
    world.project_story(&story).await;
    let rows = world
        .rows("select message_id, ordinal, author, author_ordinal as nth, body, reply_to from messages order by 1")
        .await;
    let expected = [
        json!({ "message_id": 5, "ordinal": 1, "author": "ann", "nth": 1, "body": "soup?", "reply_to": null }),
        json!({ "message_id": 6, "ordinal": 2, "author": "bob", "nth": 1, "body": "yes", "reply_to": 5 }),
        json!({ "message_id": 7, "ordinal": 3, "author": "ann", "nth": 2, "body": "good", "reply_to": null }),
    ];
    assert_eq!(rows, expected);
    assert_eq!(world.row("select last_ordinal, v from rooms").await, json!({ "last_ordinal": 3, "v": 6 }));
    let posts = world.rows("select posts from members order by user_id").await;
    assert_eq!(posts, [json!({ "posts": 2 }), json!({ "posts": 1 }), json!({ "posts": 0 })]);
}

#[tokio::test]
async fn an_edit_replaces_the_text() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    let message = story.happens("b1", "ann", [posted("b1.1", "ann", "sop", None)]);
    world.project_story(&story).await;
    let mut story = Story::from(6);
    story.happens("b1", "ann", [edited("b1.1", message, "soup")]);
    let changes = world.project_story(&story).await;
    let row = world.row("select body, posted_at, edited_at from messages").await;
    let expected = json!({ "body": "soup", "posted_at": time(5).to_rfc3339(), "edited_at": time(6).to_rfc3339() });
    assert_eq!(row, expected);
    let data = json!({ "message_id": "5", "body": "soup", "erased": false, "mentions": [], "mentions_all": false });
    assert_eq!(json!(changes.feed[0].data), data);
}

const BODIES: &str = "select v, type, data -> 'body' as body from room_events where message_id = 5 order by v";

fn blank_feed() -> Vec<Value> {
    vec![
        json!({ "v": 4, "type": "message_posted", "body": null }),
        json!({ "v": 5, "type": "message_edited", "body": null }),
        json!({ "v": 6, "type": "message_deleted", "body": null }),
    ]
}

#[tokio::test]
async fn a_deletion_blanks_the_text_everywhere_and_keeps_the_versions() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    let message = story.happens("b1", "ann", [posted("b1.1", "ann", "secret", None)]);
    story.happens("b1", "ann", [edited("b1.1", message, "secret!")]);
    world.project_story(&story).await;
    let mut story = Story::from(7);
    story.happens("b1", "ann", [deleted("b1.1", message, "ann")]);
    world.project_story(&story).await;
    assert_eq!(world.row("select body from messages").await, json!({ "body": null }));
    assert_eq!(world.rows(BODIES).await, blank_feed());
    let traces = "select 1 from room_events where data::text like '%secret%'";
    assert!(world.rows(traces).await.is_empty());
}

#[tokio::test]
async fn a_deletion_in_the_same_batch_blanks_the_text_too() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    let message = story.happens("b1", "ann", [posted("b1.1", "ann", "secret", None)]);
    story.happens("b1", "ann", [edited("b1.1", message, "secret!")]);
    story.happens("b1", "ann", [deleted("b1.1", message, "ann")]);
    let changes = world.project_story(&story).await;
    assert_eq!(world.rows(BODIES).await, blank_feed());
    assert!(changes.feed.iter().all(|row| !row.data.to_string().contains("secret")), "a notification contains it");
}

#[tokio::test]
async fn an_edit_after_the_deletion_has_no_effect() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    let message = story.happens("b1", "ann", [posted("b1.1", "ann", "secret", None)]);
    story.happens("b1", "ann", [deleted("b1.1", message, "ann")]);
    story.happens("b1", "ann", [edited("b1.1", message, "secret!")]);
    story.happens("b1", "ann", [deleted("b1.1", message, "ann")]);
    world.project_story(&story).await;
    let row = world.row("select body, edited_at from messages").await;
    assert_eq!(row, json!({ "body": null, "edited_at": null }));
    assert_eq!(world.row("select v from rooms").await, json!({ "v": 5 }));
    assert_eq!(
        world.texts("select type from room_events where v > 3 order by v").await,
        ["message_posted", "message_deleted"]
    );
}
