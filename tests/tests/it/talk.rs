//! Commands on messages: reactions, mentions, and what a deleted message accepts.

use harness::{ServiceId, StackOptions};
use serde_json::{Value, json};
use system_tests::{Person, World};
use testing::wait::eventually;

const THUMB: &str = "%F0%9F%91%8D";
const THUMB_WITH_SELECTOR: &str = "%F0%9F%91%8D%EF%B8%8F";

/// Two users in a room, on two command-services that know the short code `:thanks:`.
async fn room() -> (World, Person, Person, String) {
    let env = [0, 1].map(|index| (ServiceId::Command(index), "BOXROOM_REACTION_CODES", ":thanks:,:+1:".to_owned()));
    let options = StackOptions { command_services: 2, env: env.to_vec(), ..StackOptions::default() };
    let world = World::start(options).await;
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    let room = world.open_room(&ana, "box-1", 30).await;
    world.join(&ben, &room).await;
    (world, ana, ben, room)
}

async fn only_message(person: &Person, room: &str) -> Value {
    person.get(&format!("/rooms/{room}/messages")).await.items().remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reaction_is_one_emoji_or_a_known_short_code() {
    let (world, ana, ben, room) = room().await;
    let message = ana.say(&room, "Noodles?").await.created();
    let reaction = |emoji: &str| format!("/rooms/{room}/messages/{message}/reactions/{emoji}");
    for (index, emoji) in [THUMB, THUMB_WITH_SELECTOR, "%E2%9D%A4", "%3Athanks%3A"].into_iter().enumerate() {
        ben.put(reaction(emoji), json!({})).via(index % 2).await.done();
    }
    for bad in ["%3Cb%3E", "ab", "%F0%9F%91%8D%F0%9F%91%8D", "%3Aunknown%3A", "%20", &"a".repeat(40)] {
        let refused = ben.put(reaction(bad), json!({})).await;
        refused.refused(422, "invalid-reaction");
        assert!(!refused.json()["detail"].as_str().unwrap().is_empty());
    }
    let expected = json!({ "👍": ["ben"], "❤\u{FE0F}": ["ben"], ":thanks:": ["ben"] });
    assert_eq!(only_message(&ben, &room).await["reactions"], expected);
    let added = world.feed(&ben, &room).await.into_iter().filter(|event| event["type"] == "reaction_added").count();
    assert_eq!(added, 3, "a repeated reaction is no event");
    ben.delete(reaction(THUMB_WITH_SELECTOR)).via(1).await.done();
    ben.delete(reaction("ab")).await.done();
    assert!(only_message(&ben, &room).await["reactions"].get("👍").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn reactions_to_a_message_are_limited() {
    let (world, ana, ben, room) = room().await;
    let message = ana.say(&room, "Noodles?").await.created();
    // U+1F600 and so on.
    let reaction = |number: u8| format!("/rooms/{room}/messages/{message}/reactions/%F0%9F%98%{:02X}", 0x80 + number);
    for number in 0..10 {
        ben.put(reaction(number), json!({})).await.done();
        ana.put(reaction(number + 10), json!({})).await.done();
    }
    let refused = ben.put(reaction(10), json!({})).await;
    refused.refused(409, "too-many-reactions");
    assert!(refused.json()["detail"].as_str().unwrap().contains("10"));
    let eve = world.user("eve").await;
    world.join(&eve, &room).await;
    let refused = eve.put(reaction(20), json!({})).await;
    refused.refused(409, "too-many-reactions");
    assert!(refused.json()["detail"].as_str().unwrap().contains("20"));
    let added = eve.put(reaction(0), json!({})).await;
    added.done();
    assert_eq!(only_message(&eve, &room).await["reactions"].as_object().unwrap().len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_message_accepts_no_changes() {
    let (world, ana, ben, room) = room().await;
    let message = ana.say(&room, "Noodles?").await.created();
    let path = format!("/rooms/{room}/messages/{message}");
    ana.patch(&*path, json!({ "body": "Noodles! @ben" })).key("edit").await.done();
    ana.patch(&*path, json!({ "body": " Noodles! @ben " })).via(1).await.done();
    let edited = only_message(&ana, &room).await;
    assert_eq!((&edited["mentions"], &edited["mentions_all"]), (&json!(["ben"]), &json!(false)));
    ana.delete(&*path).await.done();
    // The other command-service reads the deletion within moments.
    let refused = eventually("the deletion is known", async || {
        let answer = ana.patch(&*path, json!({ "body": "Soup?" })).via(1).await;
        (answer.code().as_deref() == Some("message-deleted")).then_some(answer)
    });
    refused.await.refused(409, "message-deleted");
    for index in [0, 1] {
        let reply = json!({ "body": "Yes", "reply_to": message });
        ben.post(format!("/rooms/{room}/messages"), reply).via(index).await.refused(409, "message-deleted");
        let reaction = format!("{path}/reactions/{THUMB}");
        ben.put(&*reaction, json!({})).via(index).await.refused(409, "message-deleted");
        ben.delete(&*reaction).via(index).await.done();
        ana.delete(&*path).via(index).await.done();
    }
    let repeat = ana.patch(&*path, json!({ "body": "Noodles! @ben" })).key("edit").via(1).await;
    repeat.done();
    assert!(repeat.is_replay());
    let feed = world.feed(&ana, &room).await;
    let names: Vec<_> = feed.iter().skip(2).map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(names, ["message_posted", "message_edited", "message_deleted"], "an edit without a change is no event");
    let deleted = only_message(&ana, &room).await;
    assert_eq!(
        (&deleted["deleted"], &deleted["mentions"], &deleted["reply_to"]),
        (&json!(true), &json!([]), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn mentions_are_shown_and_alarm_once() {
    let (world, ana, ben, room) = room().await;
    let eve = world.user("eve").await;
    world.join(&eve, &room).await;
    let said = ana.say(&room, "`@eve` ＠Ben, see https://example.org/@eve or mail@eve").await;
    let message = said.created();
    assert_eq!(only_message(&ana, &room).await["mentions"], json!(["ben"]));
    let path = format!("/rooms/{room}/messages/{message}");
    ana.patch(&*path, json!({ "body": "@ben @eve" })).await.done();
    ana.patch(&*path, json!({ "body": "nobody" })).await.done();
    ana.patch(&*path, json!({ "body": "@ben @eve again" })).await.done();
    let all = ben.say(&room, "@all: not of the host").await;
    assert_eq!(world.feed(&ben, &room).await.last().unwrap()["data"]["mentions_all"], false);
    let last = ana.say(&room, "@all: of the host").await;
    assert_ne!(all.created(), last.created());
    for person in [&ben, &eve] {
        person.remember_position(&last);
        let alarms = person.get("/me/alarms").await.items();
        let about: Vec<_> = alarms.iter().map(|alarm| (&alarm["kind"], &alarm["message_id"])).collect();
        let (kind, all, message) = (json!("mention"), json!(last.created()), json!(message));
        assert_eq!(about, [(&kind, &all), (&kind, &message)], "{}", person.id());
    }
    let event = world.feed(&ana, &room).await.pop().unwrap();
    assert_eq!((&event["data"]["mentions"], &event["data"]["mentions_all"]), (&json!([]), &json!(true)));
}
