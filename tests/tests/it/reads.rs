//! Reads: paged lists, history, search, unread counts and alarms, limited to the user's own rooms.

use harness::StackOptions;
use serde_json::{Value, json};
use system_tests::{Person, World};
use testing::requests::{box_details, room_details};

fn texts<'a>(items: &'a [Value], field: &str) -> Vec<&'a str> {
    items.iter().map(|item| item[field].as_str().unwrap_or_default()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_read_page_by_page_shows_every_item_once() {
    let world = World::start(StackOptions::default()).await;
    let (ana, operator) = (world.person("ana"), world.operator());
    for number in 0..7 {
        let mut details = box_details(&format!("box-{number}"));
        details["latitude"] = json!(52.0 + f64::from(number) / 10.0);
        details["zip_code"] = json!(if number < 5 { "10115" } else { "04109" });
        let last = operator.post("/boxes", details).await;
        ana.remember_position(&last);
    }
    world.register_store("noodles").await;
    let opened = operator.get_all("/boxes?limit=2").await;
    assert_eq!(texts(&opened, "box_id"), (0..7).rev().map(|n| format!("box-{n}")).collect::<Vec<_>>());
    for limit in [1, 3, 7, 200] {
        assert_eq!(operator.get_all(&format!("/boxes?limit={limit}")).await, opened);
    }
    assert_eq!(operator.get_all("/boxes?zip_code=04109&limit=1").await.len(), 2);
    let near = operator.get_all("/boxes?near=52.31,13.4&limit=2").await;
    assert_eq!(texts(&near[..3], "box_id"), ["box-3", "box-4", "box-2"]);
    assert!(near.is_sorted_by_key(|found| found["distance_m"].as_f64().map(f64::to_bits)));

    for number in 0..3 {
        ana.post(format!("/boxes/box-{number}/rooms"), room_details("noodles", 2)).await.created();
    }
    ana.delete("/rooms/box-1.1").await.done();
    assert_eq!(texts(&ana.get_all("/rooms?status=open&limit=1").await, "room_id"), ["box-2.1", "box-0.1"]);
    assert_eq!(texts(&ana.get_all("/rooms?status=closed&limit=1").await, "room_id"), ["box-1.1"]);
    assert_eq!(ana.get_all("/rooms?store_id=noodles&limit=2").await.len(), 3);
    assert_eq!(ana.get_all("/rooms?q=lunch+noodle&limit=2").await.len(), 3);
    ana.remember_position(&operator.patch("/stores/noodles", json!({ "name": "라멘집" })).await);
    assert_eq!(texts(&ana.get_all("/rooms?q=라멘&limit=1&status=open").await, "room_id"), ["box-2.1", "box-0.1"]);
    assert_eq!(ana.get_all("/rooms?q=noodle").await.len(), 0);
    assert_eq!(ana.get_all("/me/rooms?limit=1").await.len(), 3);
    assert_eq!(ana.get_all("/boxes?free=true&limit=2").await.len(), 5);
    let foreign = ana.get("/boxes?limit=1").await.ok()["next"].as_str().unwrap().to_owned();
    ana.get(&format!("/rooms?cursor={foreign}")).await.refused(400, "invalid-cursor");
}

/// Two users who share a room with ten messages of ana's, and one who is not a member.
async fn conversation(world: &World) -> (Person, Person, Person, Vec<String>) {
    let (ana, ben, eve) = (world.user("ana").await, world.user("ben").await, world.user("eve").await);
    let room = world.open_room(&ana, "box-1", 4).await;
    world.join(&ben, &room).await;
    let mut messages = Vec::new();
    for number in 0..10 {
        let said = ana.say(&room, &format!("noodles number {number}")).await;
        messages.push(said.created());
        ben.remember_position(&said);
    }
    (ana, ben, eve, messages)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_read_in_both_directions_and_searched_only_by_members() {
    let world = World::start(StackOptions::default()).await;
    let (ana, ben, eve, messages) = conversation(&world).await;
    let ids = |items: Vec<Value>| texts(&items, "message_id").into_iter().map(str::to_owned).collect::<Vec<_>>();
    let history = |query: String| format!("/rooms/box-1.1/messages?{query}");
    let newest_first: Vec<String> = messages.iter().rev().cloned().collect();
    assert_eq!(ids(ben.get_all(&history("limit=3".to_owned())).await), newest_first);
    let before = ben.get(&history(format!("limit=3&before={}", messages[5]))).await.items();
    assert_eq!(ids(before), [&messages[4], &messages[3], &messages[2]].map(Clone::clone));
    let after = ben.get(&history(format!("limit=3&after={}", messages[5]))).await.items();
    let mut after = ids(after);
    after.sort_by_key(String::len);
    after.sort();
    assert_eq!(after.len(), 3);
    for id in &messages[6..9] {
        assert!(after.contains(id), "{after:?}");
    }
    let around = ids(ben.get(&history(format!("limit=3&around={}", messages[5]))).await.items());
    assert!(around.contains(&messages[5]) && around.len() == 3, "{around:?}");

    let found = ben.get_all("/search/messages?q=noodles&limit=4").await;
    assert_eq!(ids(found), newest_first);
    assert_eq!(ben.get("/search/messages?q=%227%22").await.items().len(), 1);
    ana.delete(format!("/rooms/box-1.1/messages/{}", messages[7])).await.done();
    assert_eq!(ana.get("/search/messages?q=%227%22").await.items().len(), 0, "deleted messages are not found");
    let deleted = &ana.get(&history(format!("around={}&limit=1", messages[7]))).await.items()[0];
    assert_eq!((&deleted["deleted"], &deleted["body"]), (&json!(true), &Value::Null));
    let feed = world.feed(&ana, "box-1.1").await;
    assert!(feed.iter().all(|event| event["data"]["body"] != "noodles number 7"), "the feed does not contain it");
    assert_eq!(eve.get("/search/messages?q=noodles").await.items().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_user_sees_own_unread_counts_and_alarms() {
    let world = World::start(StackOptions::default()).await;
    let (ana, ben, eve, messages) = conversation(&world).await;
    let unread = async |person: &Person| person.get("/me/rooms").await.items()[0]["unread"].clone();
    assert_eq!(unread(&ben).await, 10);
    assert_eq!(unread(&ana).await, 0, "the author's own messages are read");
    ben.put("/rooms/box-1.1/read-marker", json!({ "message_id": messages[3] })).await.done();
    assert_eq!(unread(&ben).await, 6);
    ben.put("/rooms/box-1.1/read-marker", json!({ "message_id": messages[1] })).await.done();
    assert_eq!(unread(&ben).await, 6, "a marker does not go back");

    let reply = json!({ "body": "@ana these ones", "reply_to": messages[0] });
    let replied = ben.post("/rooms/box-1.1/messages", reply).await;
    replied.created();
    assert_eq!(unread(&ben).await, 6, "a reply does not mark the room as read");
    ana.delete(format!("/rooms/box-1.1/messages/{}", messages[9])).await.done();
    ben.remember_position(&ana.put("/rooms/box-1.1/read-marker", json!({ "message_id": messages[9] })).await);
    ben.put("/users/me/muted-rooms/box-1.1", json!(null)).await.done();
    let room = ben.get("/me/rooms").await.items().remove(0);
    assert_eq!((&room["read_up_to"], &room["muted"]), (&json!(messages[3]), &json!(true)));
    assert_eq!(
        (&room["last_message"]["author"], &room["last_message"]["preview"]),
        (&json!("ben"), &json!("@ana these ones"))
    );
    let key = testing::wait::new_key();
    let again = json!({ "body": "and these", "read_marker": true });
    for is_repeat in [false, true] {
        let said = ben.post("/rooms/box-1.1/messages", again.clone()).key(&key).await;
        assert_eq!((said.created().is_empty(), said.is_replay()), (false, is_repeat));
        assert!(said.position().contains("mark."), "{said} has no position of the marker");
        assert_eq!(unread(&ben).await, 0);
    }
    ben.put(format!("/rooms/box-1.1/messages/{}/reactions/%F0%9F%91%8D", messages[2]), json!({})).await.done();
    let joined = world.join(&eve, "box-1.1").await;
    ana.remember_position(&joined);
    ana.delete("/rooms/box-1.1/members/eve").await.done();
    ana.put("/rooms/box-1.1/host", json!({ "user_id": "ben" })).await.done();
    let closed = ben.delete("/rooms/box-1.1").await;
    for person in [&ana, &eve] {
        person.remember_position(&closed);
    }
    let alarms = async |person: &Person| {
        let alarms = person.get_all("/me/alarms?limit=2").await;
        let mut kinds: Vec<String> = texts(&alarms, "kind").into_iter().map(str::to_owned).collect();
        kinds.sort();
        kinds
    };
    assert_eq!(alarms(&ana).await, ["mention", "reaction", "reply", "room_closed"]);
    assert_eq!(alarms(&ben).await, ["made_host"]);
    assert_eq!(alarms(&eve).await, ["kicked"]);
    assert_eq!(eve.get("/me/rooms").await.items().len(), 0, "a kicked user is not a member");
}
