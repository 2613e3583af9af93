//! The remaining data of an erased user.

use projector::{Projection, ProjectionMode, project_isolating_failures};
use serde_json::json;

use crate::{
    story::{Story, deleted, edited, erased, mentioning, opened, posted, reacted},
    world::{BOXES, World, checkpoint, everything},
};

/// A conversation: bob opens a second room, writes, edits and mentions ann, and ann writes too.
fn conversation() -> Story {
    let mut story = Story::of_three("b1");
    let first = story.happens("b1", "bob", [posted("b1.1", "bob", "secret @ann @cleo", None)]);
    story.happens("b1", "ann", [posted("b1.1", "ann", "what? @bob", Some(first))]);
    story.happens("b1", "bob", [edited("b1.1", first, "secret after all")]);
    let second = story.happens("b1", "bob", [posted("b1.1", "bob", "secret, too", None)]);
    story.happens("b1", "bob", [deleted("b1.1", second, "bob")]);
    let secret_room = match opened("b1.2", "bob") {
        domain::BoxEvent::Room {
            room_id,
            event: domain::RoomEvent::RoomOpened { store_id, host, max_members, opened_at, closes_at, .. },
        } => domain::RoomEvent::RoomOpened {
            title: "secret feast".to_owned(),
            password_hash: None,
            store_id,
            host,
            max_members,
            opened_at,
            closes_at,
        }
        .in_room(room_id),
        other => other,
    };
    let reason = domain::RoomClosedReason::Host;
    let closed = domain::RoomEvent::RoomClosed { reason }.in_room(crate::story::room("b1.1"));
    story.happens("b1", "ann", [reacted("b1.1", first, "ann", "👍"), closed]);
    story.happens("b1", "bob", [secret_room]);
    story
}

async fn must_be_redacted(world: &mut World) {
    for (table, rows) in everything(&mut world.connection).await {
        assert!(!json!(rows).to_string().contains("secret"), "{table}: {rows:?}");
    }
    let bodies =
        world.rows("select author, body, erased, edited_at is not null as edited from messages order by 1, 2").await;
    let expected = [
        json!({ "author": "ann", "body": "what? @bob", "erased": false, "edited": false }),
        json!({ "author": "bob", "body": "[erased]", "erased": true, "edited": true }),
        json!({ "author": "bob", "body": null, "erased": true, "edited": false }),
    ];
    assert_eq!(bodies, expected);
    assert_eq!(world.texts("select title from rooms order by number").await, ["Noodles", "[erased]"]);
    let words = world.texts("select words::text from rooms order by number").await;
    assert_eq!(words, ["'noo*' 'nood*' 'noodl*' 'noodle*' 'noodles':1 's:s1'", "'s:s1'"]);
    let told = "select coalesce(data ->> 'body', data ->> 'title') from room_events
                where data ?| array['body', 'title'] and data ->> 'body' is distinct from null or data ? 'title'
                order by room_id, v";
    let expected = ["Noodles", "[erased]", "what? @bob", "[erased]", "[erased]"];
    assert_eq!(world.texts(told).await, expected);
    let flags = "select title || ' ' || title_erased from rooms order by number";
    assert_eq!(world.texts(flags).await, ["Noodles false", "[erased] true"]);
    let flagged = "select type from room_events
                   where (data ->> 'erased')::bool or (data ->> 'title_erased')::bool
                   order by room_id, v";
    let expected = ["message_posted", "message_edited", "message_posted", "room_opened"];
    assert_eq!(world.texts(flagged).await, expected, "one of the messages is deleted");
    assert_eq!(world.texts("select user_id from alarms where kind = 'mention' order by 1").await, ["bob"]);
}

#[tokio::test]
async fn rows_of_earlier_batches_are_redacted() {
    let mut world = World::start().await;
    let mut story = conversation();
    world.project_story(&story).await;
    assert_eq!(
        world.texts("select user_id from alarms where kind = 'mention' order by 1").await,
        ["ann", "bob", "cleo"]
    );
    story.commits.clear();
    story.happens("b1", "system", [erased("bob")]);
    let changes = world.project_story(&story).await;
    assert!(changes.feed.is_empty() && changes.alarms.is_empty(), "{changes:?}");
    must_be_redacted(&mut world).await;
    assert!(world.rows("select 1 from messages where words @@ 'secret' or words @@ 'erased'").await.is_empty());
}

#[tokio::test]
async fn rows_of_the_same_batch_are_redacted_before_the_notification() {
    let mut world = World::start().await;
    let mut story = conversation();
    story.happens("b1", "system", [erased("bob")]);
    let changes = world.project_story(&story).await;
    assert!(changes.feed.iter().all(|row| !row.data.to_string().contains("secret")), "a notification contains it");
    must_be_redacted(&mut world).await;
}

#[tokio::test]
async fn the_mentions_of_an_erased_author_are_removed() {
    for commits_in_batch in [1, 100] {
        let mut world = World::start().await;
        let mut story = Story::of_three("b1");
        let message = story.happens("b1", "bob", [mentioning(posted("b1.1", "bob", "secret", None), &["ann"])]);
        story.happens("b1", "bob", [mentioning(edited("b1.1", message, "secret"), &["all"])]);
        story.happens("b1", "system", [erased("bob")]);
        let all = std::mem::take(&mut story.commits);
        for batch in all.chunks(commits_in_batch) {
            story.commits = batch.to_vec();
            world.project_story(&story).await;
        }
        let row = world.row("select mentions, mentions_all, alarms from messages").await;
        assert_eq!(row, json!({ "mentions": [], "mentions_all": false, "alarms": null }));
        let shown = "select data ->> 'mentions' || (data ->> 'mentions_all') from room_events
                     where data ? 'mentions'";
        assert_eq!(world.texts(shown).await, ["[]false", "[]false"]);
        assert!(world.rows("select 1 from alarms").await.is_empty());
    }
}

#[tokio::test]
async fn messages_in_memory_during_a_build_are_redacted() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    let message = story.happens("b1", "bob", [posted("b1.1", "bob", "secret", None)]);
    let first = story.commits.len();
    story.happens("b1", "system", [erased("bob")]);
    story.happens("b1", "ann", [reacted("b1.1", message, "ann", "👍")]);
    let mut projection =
        Projection::open(BOXES, ProjectionMode::Building, &mut world.connection).await.expect("a projection");
    let mut at = checkpoint(&mut world.connection, BOXES).await;
    for batch in [&story.commits[..first], &story.commits[first..=first], &story.commits[first + 1..]] {
        project_isolating_failures(&mut world.connection, &mut projection, &mut at, batch).await.expect("projected");
    }
    let row = world.row("select body, erased, reactions from messages").await;
    assert_eq!(row, json!({ "body": "[erased]", "erased": true, "reactions": { "👍": ["ann"] } }));
}

#[tokio::test]
async fn a_text_that_only_reads_like_an_erased_one_is_not_erased() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    for author in ["ann", "bob"] {
        story.happens("b1", author, [posted("b1.1", author, "[erased]", None)]);
    }
    world.project_story(&story).await;
    story.commits.clear();
    story.happens("b1", "system", [erased("bob")]);
    world.project_story(&story).await;
    let expected = [json!({ "author": "ann", "erased": false }), json!({ "author": "bob", "erased": true })];
    assert_eq!(world.rows("select author, erased from messages order by 1").await, expected);
    let flags = "select by || ' ' || (data ->> 'erased') from room_events where type = 'message_posted' order by v";
    assert_eq!(world.texts(flags).await, ["ann false", "bob true"]);
}
