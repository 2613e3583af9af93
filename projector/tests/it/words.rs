//! The words by which messages and rooms are found.

use projector::{Projection, ProjectionMode, project_isolating_failures};

use crate::{
    story::{Story, deleted, edited, erased, opened, posted, reacted, unreadable, user},
    world::{BOXES, World, checkpoint},
};

/// The words of the messages, without those of rooms and times.
const WORDS: &str = "select coalesce(string_agg(lexeme, ' ' order by lexeme collate \"C\"), '') as words
                     from messages
                     left join lateral unnest(words) on lexeme !~ ':'
                     group by message_id
                     order by message_id";

fn conversation() -> Story {
    let mut story = Story::of_three("b1");
    let first = story.happens("b1", "ann", [posted("b1.1", "ann", "Soup", None)]);
    let second = story.happens("b1", "bob", [posted("b1.1", "bob", "피자를 시켰어", Some(first))]);
    story.happens("b1", "bob", [posted("b1.1", "bob", "🍕🍕 Café, café", None)]);
    story.happens("b1", "ann", [edited("b1.1", first, "no \\ 'soup'"), reacted("b1.1", second, "ann", "👍")]);
    story
}

const CONVERSATION: [&str; 3] = ["no sou* soup", "를 시 시켰 어 자 자를 켰 켰어 피 피자", "caf* cafe 🍕"];

#[tokio::test]
async fn words_are_those_of_the_last_text() {
    let mut world = World::start().await;
    let mut story = conversation();
    world.project_story(&story).await;
    assert_eq!(world.texts(WORDS).await, CONVERSATION);
    let found = "select message_id::text from messages where words @@ '''r:b1.1'' & cafe <-> cafe'";
    assert_eq!(world.texts(found).await, ["7"]);
    story.commits.clear();
    story.happens("b1", "ann", [edited("b1.1", 5, "tea")]);
    story.happens("b1", "bob", [deleted("b1.1", 7, "bob")]);
    world.project_story(&story).await;
    assert_eq!(world.texts(WORDS).await, ["tea", CONVERSATION[1], ""]);
    assert_eq!(world.texts("select words::text from messages where body is null").await, [""]);
}

#[tokio::test]
async fn an_erased_message_has_no_words() {
    let mut world = World::start().await;
    let mut story = conversation();
    world.project_story(&story).await;
    story.commits.clear();
    // As it is read when the key of its author is destroyed.
    story.happens("b1", "bob", [posted("b1.1", "bob", "[erased]", None)]);
    story.happens("b1", "system", [erased("bob")]);
    world.project_story(&story).await;
    assert_eq!(world.texts(WORDS).await, [CONVERSATION[0], "", "", ""]);
    assert_eq!(world.texts("select distinct words::text from messages where body = '[erased]'").await, [""]);
}

#[tokio::test]
async fn a_build_writes_the_same_words() {
    let mut world = World::start().await;
    let story = conversation();
    let mut projection =
        Projection::open(BOXES, ProjectionMode::Building, &mut world.connection).await.expect("a projection");
    let mut at = checkpoint(&mut world.connection, BOXES).await;
    for batch in story.commits.chunks(5) {
        project_isolating_failures(&mut world.connection, &mut projection, &mut at, batch).await.expect("projected");
    }
    assert_eq!(world.texts(WORDS).await, CONVERSATION);
    let words = world.texts("select words::text from messages order by message_id").await;
    let mut live = World::start().await;
    live.project_story(&story).await;
    assert_eq!(live.texts("select words::text from messages order by message_id").await, words);
}

#[tokio::test]
async fn the_words_of_an_erased_title_are_those_of_a_replay() {
    const WORDS: &str = "select room_id || ': ' || words::text as words from rooms order by room_id";
    let story = || {
        let mut story = Story::of_three("b1");
        let closed = domain::RoomEvent::RoomClosed { reason: domain::RoomClosedReason::Host };
        story.happens("b1", "ann", [closed.in_room(crate::story::room("b1.1"))]);
        story.happens("b1", "bob", [opened("b1.2", "bob")]);
        story
    };
    let title = "'noo*' 'nood*' 'noodl*' 'noodle*' 'noodles':1 's:s1'";
    let mut world = World::start().await;
    world.project_story(&story()).await;
    assert_eq!(world.texts(WORDS).await, [format!("b1.1: {title}"), format!("b1.2: {title}")]);
    let mut erasure = story();
    erasure.happens("b1", "system", [erased("bob")]);
    let replayed = erasure.commits.iter().map(|commit| unreadable(commit.clone(), &user("bob"))).collect();
    erasure.commits.drain(..story().commits.len());
    world.project_story(&erasure).await;
    let expected = [format!("b1.1: {title}"), "b1.2: 's:s1'".to_owned()];
    assert_eq!(world.texts(WORDS).await, expected);
    let mut replay = World::start().await;
    erasure.commits = replayed;
    replay.project_story(&erasure).await;
    assert_eq!(replay.texts(WORDS).await, expected);
}
