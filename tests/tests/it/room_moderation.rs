//! Means of the host and the co-hosts: changes of the room, roles, muted members and pinned messages.

use harness::StackOptions;
use serde_json::{Value, json};
use system_tests::{Person, World};
use testing::{Answer, wait::eventually};

/// Ana hosts a room with ben and eve, on two command-services.
async fn room() -> (World, [Person; 3], String) {
    let world = World::start(StackOptions { command_services: 2, ..StackOptions::default() }).await;
    let [ana, ben, eve] = [world.user("ana").await, world.user("ben").await, world.user("eve").await];
    let room = world.open_room(&ana, "box-1", 4).await;
    for person in [&ben, &eve] {
        ana.remember_position(&world.join(person, &room).await);
    }
    (world, [ana, ben, eve], room)
}

async fn member(person: &Person, room: &str, user_id: &str) -> Value {
    let members = person.get(&format!("/rooms/{room}/members")).await.items();
    members.into_iter().find(|member| member["user_id"] == user_id).unwrap()
}

fn retry_after(answer: &Answer) -> u64 {
    answer.header("retry-after").and_then(|seconds| seconds.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_changes_the_room_until_the_order_is_placed() {
    let (world, [ana, ben, eve], room) = room().await;
    let path = format!("/rooms/{room}");
    world.register_store("soups").await;
    let change = json!({ "title": "Soup at one", "store_id": "soups", "max_members": 3.0, "password": "pepper" });
    ana.patch(&*path, change).key("change").await.done();
    let view = ana.get(&path).await.ok();
    assert_eq!((&view["title"], &view["store_id"]), (&json!("Soup at one"), &json!("soups")));
    assert_eq!((&view["max_members"], &view["locked"]), (&json!(3), &json!(true)));
    let event = world.feed(&ana, &room).await.pop().unwrap();
    let data = json!({
        "title": "Soup at one", "title_erased": false, "store_id": "soups", "max_members": 3, "locked": true,
    });
    assert_eq!((&event["type"], &event["data"]), (&json!("room_changed"), &data));
    let found = ana.get("/rooms?q=soup").await.items();
    assert_eq!(found.iter().map(|room| &room["room_id"]).collect::<Vec<_>>(), [&json!(room)]);

    ana.patch(&*path, json!({ "max_members": 2 })).via(1).await.refused(409, "too-many-members");
    ana.patch(&*path, json!({ "store_id": "unknown" })).await.refused(404, "store-not-found");
    ana.patch(&*path, json!({ "password": "abc" })).await.refused(422, "invalid-body");
    ana.patch(&*path, json!({ "max_members": 2.5 })).await.refused(422, "invalid-body");
    ana.patch(&*path, json!({ "host": "ben" })).await.refused(422, "invalid-body");
    ana.patch(&*path, json!({})).await.done();
    ana.patch(&*path, json!({ "title": null, "max_members": null })).await.done();
    eve.delete(format!("{path}/members/me")).await.done();
    let join = |body: Value| eve.post(format!("{path}/members"), body);
    join(json!({})).await.refused(403, "wrong-password");
    join(json!({ "password": "pepper" })).await.created();
    ana.patch(&*path, json!({ "password": null })).await.done();
    assert_eq!(ana.get(&path).await.ok()["locked"], false);

    world.operator().put("/stores/soups/availability", json!({ "state": "closed" })).await.done();
    ana.patch(&*path, json!({ "store_id": "soups" })).await.refused(409, "store-closed");
    ana.put(format!("{path}/step"), json!({ "step": "ordered" })).await.done();
    ana.patch(&*path, json!({ "title": "Late" })).via(1).await.refused(409, "order-placed");
    let repeat = json!({ "title": "Soup at one", "store_id": "soups", "max_members": 3.0, "password": "pepper" });
    assert!(ana.patch(&*path, repeat).key("change").via(1).await.is_replay());
    ben.patch(&*path, json!({ "title": "Mine" })).await.refused(403, "not-the-host");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_is_erased_with_the_user_who_gave_it() {
    let (world, [ana, ben, eve], room) = room().await;
    let path = format!("/rooms/{room}");
    ana.put(format!("{path}/host"), json!({ "user_id": "ben" })).await.done();
    ben.patch(&*path, json!({ "title": "Of ben" })).await.done();
    ana.delete("/users/me").await;
    eventually("the first title is erased", async || {
        let feed = world.feed(&eve, &room).await;
        (feed[0]["data"]["title"] == "[erased]").then_some(())
    })
    .await;
    let view = eve.get(&path).await.ok();
    assert_eq!((&view["title"], &view["title_erased"]), (&json!("Of ben"), &json!(false)));
    ben.delete("/users/me").await;
    let view = eventually("the second title is erased", async || {
        let view = eve.get(&path).await.ok();
        (view["title"] == "[erased]").then_some(view)
    })
    .await;
    assert_eq!((&view["title_erased"], &view["host"]), (&json!(true), &json!("eve")));
    let feed = world.feed(&eve, &room).await;
    let changed = feed.iter().find(|event| event["type"] == "room_changed").unwrap();
    assert_eq!(changed["data"], json!({ "title": "[erased]", "title_erased": true }));
    let stored = world.log().await.all_messages().await;
    assert!(stored.iter().all(|message| !message.contains("Of ben")), "a title is stored in plain text");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_muted_member_reads_but_cannot_speak() {
    let (world, [ana, ben, _], room) = room().await;
    let message = ben.say(&room, "Hello").await.created();
    let path = format!("/rooms/{room}/messages/{message}");
    let mute = format!("/rooms/{room}/members/ben/mute");
    for bad in [json!({ "minutes": 0 }), json!({ "minutes": 1441 }), json!({}), json!({ "minutes": "1" })] {
        ana.put(&*mute, bad).await.refused(422, "invalid-body");
    }
    ana.put(&*mute, json!({ "minutes": 10 })).await.done();
    let muted = member(&ben, &room, "ben").await;
    assert!(muted["muted_until"].as_str().is_some(), "{muted}");
    for index in [0, 1] {
        let refused = ben.say(&room, "Hello?").via(index).await;
        refused.refused(403, "muted");
        assert!((590..=600).contains(&retry_after(&refused)), "{refused}");
        assert!(refused.json()["detail"].as_str().unwrap().starts_with("you are muted until 20"));
        ben.patch(&*path, json!({ "body": "Hi" })).via(index).await.refused(403, "muted");
        ben.put(format!("{path}/reactions/%F0%9F%91%8D"), json!({})).via(index).await.refused(403, "muted");
    }
    assert_eq!(ben.get(&format!("/rooms/{room}/messages")).await.items().len(), 1);
    ben.delete(&*path).await.done();
    // Leaving and joining again does not help.
    ben.delete(format!("/rooms/{room}/members/me")).await.done();
    world.join(&ben, &room).await;
    ben.say(&room, "Back").await.refused(403, "muted");
    ana.delete(&*mute).via(1).await.done();
    ben.say(&room, "At last").await.created();
    assert!(member(&ben, &room, "ben").await.get("muted_until").is_none());
    let feed = world.feed(&ana, &room).await;
    let kinds: Vec<_> = feed.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"member_muted") && kinds.contains(&"member_unmuted"), "{kinds:?}");
    ana.put(format!("/rooms/{room}/members/ana/mute"), json!({ "minutes": 1 })).await.refused(409, "is-the-host");
    ana.put(format!("/rooms/{room}/members/zoe/mute"), json!({ "minutes": 1 })).await.refused(404, "member-not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_co_host_moderates_and_succeeds_the_host() {
    let (world, [ana, ben, eve], room) = room().await;
    let role = format!("/rooms/{room}/co-hosts/eve");
    let of_ben = format!("/rooms/{room}/members/ben");
    ana.put(&*role, json!({})).await.done();
    ana.put(&*role, json!({})).via(1).await.done();
    assert_eq!(member(&ana, &room, "eve").await["co_host"], true);
    ana.put(format!("/rooms/{room}/co-hosts/ana"), json!({})).await.refused(409, "is-the-host");
    ana.put(format!("/rooms/{room}/co-hosts/zoe"), json!({})).await.refused(404, "member-not-found");
    eve.put(format!("{of_ben}/mute"), json!({ "minutes": 5 })).await.done();
    eve.delete(format!("{of_ben}/mute")).await.done();
    eve.post(format!("/rooms/{room}/extensions"), json!({ "hours": 1 })).await.created();
    let of_host = ana.say(&room, "I host").await.created();
    eve.delete(format!("/rooms/{room}/messages/{of_host}")).await.refused(403, "not-the-author");
    eve.put(format!("/rooms/{room}/members/ana/mute"), json!({ "minutes": 5 })).await.refused(403, "not-the-host");
    eve.delete(format!("/rooms/{room}/members/ana")).await.refused(403, "not-the-host");
    eve.delete(format!("/rooms/{room}")).await.refused(403, "not-the-host");
    let left = ana.delete(format!("/rooms/{room}/members/me")).await;
    left.done();
    eve.remember_position(&left);
    assert_eq!(eve.get(&format!("/rooms/{room}")).await.ok()["host"], "eve", "a co-host comes before longer members");
    let eve_now = member(&eve, &room, "eve").await;
    assert_eq!((&eve_now["host"], &eve_now["co_host"]), (&json!(true), &json!(false)));
    eve.delete(&*of_ben).await.done();
    ben.say(&room, "Hello?").await.refused(403, "not-a-member");
    let last = world.feed(&eve, &room).await.pop().unwrap();
    assert_eq!((&last["type"], &last["by"]), (&json!("member_kicked"), &json!("eve")));
}

#[tokio::test(flavor = "multi_thread")]
async fn pinned_messages_are_shown_to_members_until_they_are_deleted() {
    let (world, [ana, ben, _], room) = room().await;
    let pinned = async |person: &Person| person.get(&format!("/rooms/{room}")).await.ok().get("pinned").cloned();
    let pin = |message: &str| format!("/rooms/{room}/pins/{message}");
    let mut messages = Vec::new();
    for text in ["one", "two", "three", "four"] {
        messages.push(ben.say(&room, text).await.created());
    }
    for (index, message) in messages.iter().enumerate() {
        ana.put(pin(message), json!({})).via(index % 2).await.done();
    }
    assert_eq!(pinned(&ana).await, Some(json!(messages[1..])), "the oldest pin makes room");
    let event = world.feed(&ana, &room).await.pop().unwrap();
    assert_eq!(event["data"], json!({ "message_id": messages[3], "replaced": messages[0] }));
    ana.put(pin(&messages[3]), json!({})).await.done();
    ana.put(pin("1"), json!({})).await.refused(404, "message-not-found");
    ana.put(pin("x"), json!({})).await.refused(404, "not-found");
    ben.put(pin(&messages[0]), json!({})).await.refused(403, "not-the-host");
    let zoe = world.user("zoe").await;
    zoe.remember_position(&ana.delete(pin(&messages[1])).await);
    assert_eq!(pinned(&zoe).await, None, "others do not see the pins");

    ben.delete(format!("/rooms/{room}/messages/{}", messages[2])).via(1).await.done();
    assert_eq!(pinned(&ben).await, Some(json!([messages[3]])));
    ana.put(pin(&messages[2]), json!({})).via(1).await.refused(409, "message-deleted");
    // The pin of the deleted message does not count any more.
    for message in &messages[..2] {
        ana.put(pin(message), json!({})).await.done();
    }
    let expected = [&messages[3], &messages[0], &messages[1]];
    assert_eq!(pinned(&ana).await, Some(json!(expected)));
}
