//! Alarms that change and disappear: of reactions, deleted messages and erased authors.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::{
    story::{Story, deleted, erased, posted, reacted, unreacted},
    world::{BOXES, World, everything},
};

const ALARMS: &str = "select user_id, kind, position, by, count, latest, changed, withdrawn
    from alarms order by position, user_id, kind";

fn reaction(position: u64, by: Option<&str>, (count, latest, changed): (i32, u64, u64)) -> Value {
    json!({
        "user_id": "ann", "kind": "reaction", "position": position, "by": by, "count": count, "latest": latest,
        "changed": changed, "withdrawn": (count == 0).then_some("reaction_removed"),
    })
}

#[tokio::test]
async fn reactions_of_an_hour_are_one_alarm() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    let message = story.happens("b1", "ann", [posted("b1.1", "ann", "soup?", None)]);
    let first = story.happens("b1", "bob", [reacted("b1.1", message, "bob", "👍")]);
    let second = story.happens("b1", "cleo", [reacted("b1.1", message, "cleo", "🍜")]);
    let changes = world.project_story(&story).await;
    assert_eq!(changes.alarms.len(), 1, "{changes:?}");
    assert_eq!(world.rows(ALARMS).await, [reaction(first, Some("cleo"), (2, second, second))]);

    story.commits.clear();
    let third = story.happens("b1", "cleo", [unreacted("b1.1", message, "cleo", "🍜")]);
    let changes = world.project_story(&story).await;
    assert_eq!(changes.alarms[0].count, 1);
    assert_eq!(world.rows(ALARMS).await, [reaction(first, Some("bob"), (1, first, third))]);

    story.commits.clear();
    let fourth = story.happens("b1", "bob", [unreacted("b1.1", message, "bob", "👍")]);
    let changes = world.project_story(&story).await;
    assert!(changes.alarms[0].withdrawn.is_some());
    assert_eq!(world.rows(ALARMS).await, [reaction(first, None, (0, first, fourth))]);

    story.commits.clear();
    let fifth = story.happens("b1", "cleo", [reacted("b1.1", message, "cleo", "👍")]);
    story.happens("b1", "bob", [reacted("b1.1", message, "bob", "👍")]);
    let last = story.commits.last_mut().expect("a commit");
    last.at += TimeDelta::hours(1);
    let sixth = last.sequence;
    world.project_story(&story).await;
    let expected = [reaction(first, Some("cleo"), (1, fifth, fifth)), reaction(sixth, Some("bob"), (1, sixth, sixth))];
    assert_eq!(world.rows(ALARMS).await, expected);
}

/// A conversation that ends with five alarms that cleo and her messages have caused.
fn conversation() -> Story {
    let mut story = Story::of_three("b1");
    let question = story.happens("b1", "ann", [posted("b1.1", "ann", "soup? @bob", None)]);
    let answer = story.happens("b1", "cleo", [posted("b1.1", "cleo", "yes, @bob @ann", Some(question))]);
    story.happens("b1", "bob", [reacted("b1.1", answer, "bob", "👍")]);
    story.happens("b1", "bob", [reacted("b1.1", question, "bob", "👍")]);
    story.happens("b1", "cleo", [reacted("b1.1", question, "cleo", "👍")]);
    story
}

#[tokio::test]
async fn a_deleted_message_withdraws_its_alarms() {
    let mut story = conversation();
    let answer = story.commits[5].sequence;
    story.happens("b1", "cleo", [deleted("b1.1", answer, "cleo")]);
    for cut in [story.commits.len() - 1, 0] {
        let mut world = World::start().await;
        world.project(BOXES, &story.commits[..cut]).await;
        let changes = world.project(BOXES, &story.commits[cut..]).await;
        let withdrawn = "select user_id || ' ' || kind from alarms where withdrawn = 'message_deleted' order by 1";
        let expected = ["ann mention", "ann reply", "bob mention", "cleo reaction"];
        assert_eq!(world.texts(withdrawn).await, expected);
        assert_eq!(changes.alarms.iter().filter(|alarm| alarm.withdrawn.is_some()).count(), 4);
        let standing = "select user_id || ' ' || kind from alarms where withdrawn is null order by 1";
        assert_eq!(world.texts(standing).await, ["ann reaction", "bob mention"]);
    }
}

#[tokio::test]
async fn a_message_after_a_silence_withdraws_its_alarms_with_itself_and_with_its_author() {
    let mut story = Story::of_three("b1");
    let message = story.happens("b1", "ann", [posted("b1.1", "ann", "soup?", None)]);
    story.commits.last_mut().expect("a commit").at += TimeDelta::hours(1);
    story.happens("b1", "ann", [deleted("b1.1", message, "ann")]);
    let withdrawn = "select user_id || ' ' || kind || ' ' || coalesce(withdrawn, '-') from alarms order by 1";
    let expected = ["bob message_after_silence message_deleted", "cleo message_after_silence message_deleted"];
    story.happens("b1", "system", [erased("ann")]);
    let mut all = Vec::new();
    for cut in [6, 5, 0] {
        let mut world = World::start().await;
        world.project(BOXES, &story.commits[..cut]).await;
        if cut == 6 {
            assert_eq!(world.texts(withdrawn).await, expected);
        }
        world.project(BOXES, &story.commits[cut..]).await;
        assert!(world.texts(withdrawn).await.is_empty());
        all.push(everything(&mut world.connection).await);
    }
    assert!(all.iter().all(|rows| *rows == all[0]));
}

#[tokio::test]
async fn an_erased_author_leaves_no_alarms() {
    let mut story = conversation();
    story.happens("b1", "system", [erased("cleo")]);
    let last = story.commits.len() - 1;
    let mut all = Vec::new();
    for cut in [last, 0] {
        let mut world = World::start().await;
        world.project(BOXES, &story.commits[..cut]).await;
        let changes = world.project(BOXES, &story.commits[cut..]).await;
        let standing = "select user_id || ' ' || kind || ' ' || count || ' ' || by from alarms order by 1";
        assert_eq!(world.texts(standing).await, ["ann reaction 1 bob", "bob mention 1 ann", "cleo reaction 1 bob"]);
        let reactors = "select reactors ->> 0 from alarms where kind = 'reaction' and user_id = 'ann'";
        assert_eq!(world.texts(reactors).await.len(), 1);
        assert_eq!(world.row("select * from author_erasures").await["user_id"], "cleo");
        if cut == last {
            let told: Vec<_> = changes.stale_alarms.iter().map(ToString::to_string).collect();
            assert_eq!(told, ["ann", "bob"]);
            assert_eq!(changes.alarms.len(), 1, "the count of reactions falls: {changes:?}");
        }
        all.push(everything(&mut world.connection).await);
    }
    assert_eq!(all[0], all[1]);
}

#[tokio::test]
async fn the_last_reaction_of_an_erased_user_withdraws_the_alarm() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    let message = story.happens("b1", "ann", [posted("b1.1", "ann", "soup?", None)]);
    story.happens("b1", "bob", [reacted("b1.1", message, "bob", "👍")]);
    world.project_story(&story).await;
    story.commits.clear();
    story.happens("b1", "system", [erased("bob")]);
    let changes = world.project_story(&story).await;
    assert!(changes.alarms[0].withdrawn.is_some());
    assert_eq!(world.row("select withdrawn, by from alarms").await, json!({"withdrawn": "author_erased", "by": null}));
}

#[tokio::test]
async fn a_message_causes_at_most_20_alarms() {
    let mut world = World::start().await;
    let mut story = Story::of_three("b1");
    let names: Vec<String> = (0..30).map(|number| format!("guest-{number:02}")).collect();
    for name in &names {
        story.happens("b1", name, [crate::story::joined("b1.1", name)]);
    }
    let message = story.happens("b1", "bob", [posted("b1.1", "bob", "soup?", None)]);
    let body = names.iter().map(|name| format!("@{name}")).collect::<Vec<_>>().join(" ");
    let last = story.happens("b1", "ann", [posted("b1.1", "ann", &body, Some(message))]);
    world.project_story(&story).await;
    let counts = format!("select kind || ' ' || count(*) from alarms where position = {last} group by kind order by 1");
    assert_eq!(world.texts(&counts).await, ["mention 19", "reply 1"]);
}
