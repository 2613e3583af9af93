//! Reactions: one of each emoji per user; one without an effect leaves no trace.

use serde_json::json;

use crate::{
    story::{Story, deleted, posted, reacted, unreacted},
    world::World,
};

#[tokio::test]
async fn reactions_are_listed_in_order_of_arrival() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    let message = story.happens("b1", "ann", [posted("b1.1", "ann", "soup", None)]);
    story.happens("b1", "cleo", [reacted("b1.1", message, "cleo", "👍")]);
    world.project_story(&story).await;
    let mut story = Story::from(7);
    story.happens("b1", "bob", [reacted("b1.1", message, "bob", "👍")]);
    story.happens("b1", "bob", [reacted("b1.1", message, "bob", "yum")]);
    world.project_story(&story).await;
    let reactions = "select reactions from messages";
    assert_eq!(world.row(reactions).await, json!({ "reactions": { "👍": ["cleo", "bob"], "yum": ["bob"] } }));
    let mut story = Story::from(9);
    story.happens("b1", "cleo", [unreacted("b1.1", message, "cleo", "👍")]);
    story.happens("b1", "bob", [unreacted("b1.1", message, "bob", "yum")]);
    world.project_story(&story).await;
    assert_eq!(world.row(reactions).await, json!({ "reactions": { "👍": ["bob"] } }));
    assert_eq!(world.row("select v from rooms").await, json!({ "v": 9 }));
}

#[tokio::test]
async fn a_reaction_without_effect_leaves_no_trace() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    let message = story.happens("b1", "ann", [posted("b1.1", "ann", "soup", None)]);
    story.happens("b1", "bob", [reacted("b1.1", message, "bob", "👍")]);
    story.happens("b1", "bob", [reacted("b1.1", message, "bob", "👍")]);
    story.happens("b1", "bob", [unreacted("b1.1", message, "bob", "yum")]);
    story.happens("b1", "cleo", [unreacted("b1.1", message, "cleo", "👍")]);
    story.happens("b1", "ann", [deleted("b1.1", message, "ann")]);
    story.happens("b1", "cleo", [reacted("b1.1", message, "cleo", "👍")]);
    story.happens("b1", "bob", [unreacted("b1.1", message, "bob", "👍")]);
    let changes = world.project_story(&story).await;
    let kinds: Vec<_> = changes.feed.iter().skip(3).map(|row| row.kind).collect();
    assert_eq!(kinds, ["message_posted", "reaction_added", "message_deleted"]);
    assert_eq!(world.row("select v from rooms").await, json!({ "v": 6 }));
}

#[tokio::test]
async fn a_deleted_message_has_no_reactions() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    let message = story.happens("b1", "ann", [posted("b1.1", "ann", "soup", None)]);
    story.happens("b1", "bob", [reacted("b1.1", message, "bob", "👍")]);
    world.project_story(&story).await;
    let mut story = Story::from(7);
    story.happens("b1", "ann", [deleted("b1.1", message, "ann")]);
    world.project_story(&story).await;
    assert_eq!(world.row("select body, reactions from messages").await, json!({ "body": null, "reactions": {} }));
}

#[tokio::test]
async fn a_message_has_at_most_fifty_kinds_of_reactions() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    let message = story.happens("b1", "ann", [posted("b1.1", "ann", "soup", None)]);
    for kind in 0..52 {
        story.happens("b1", "bob", [reacted("b1.1", message, "bob", &format!("e{kind}"))]);
    }
    story.happens("b1", "cleo", [reacted("b1.1", message, "cleo", "e0")]);
    world.project_story(&story).await;
    let kinds = "select count(*) as kinds from messages, jsonb_object_keys(reactions)";
    assert_eq!(world.row(kinds).await, json!({ "kinds": 50 }));
    assert_eq!(world.row("select v from rooms").await, json!({ "v": 55 }));
}
