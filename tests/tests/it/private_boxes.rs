//! Private boxes: only allowed users use and see them.

use harness::StackOptions;
use serde_json::{Value, json};
use system_tests::{Person, World};
use testing::requests::{box_details, room_details};

/// A private box that ana may use, and a shared one.
async fn boxes() -> (World, [Person; 3]) {
    let world = World::start(StackOptions { command_services: 2, ..StackOptions::default() }).await;
    let people = [world.user("ana").await, world.user("ben").await, world.user("eve").await];
    let mut private = box_details("home");
    private["kind"] = json!("private");
    world.operator().post("/boxes", private).await.created();
    world.register_store("noodles").await;
    let shared = world.install_box("station").await;
    let allowed = world.operator().put("/boxes/home/users/ana", json!({})).await;
    allowed.done();
    for person in &people {
        person.remember_position(&shared);
        person.remember_position(&allowed);
    }
    (world, people)
}

fn ids(items: &[Value], name: &str) -> Vec<String> {
    let mut ids: Vec<_> = items.iter().map(|item| item[name].as_str().unwrap().to_owned()).collect();
    ids.sort_unstable();
    ids
}

/// The lists of boxes and rooms in which this user finds the private box.
async fn lists_with_home(person: &Person) -> Vec<&'static str> {
    let lists = [
        "/boxes",
        "/boxes?zip_code=10115",
        "/boxes?near=52.5,13.4",
        "/boxes?near=52.5,13.4&zip_code=10115",
        "/rooms",
        "/rooms?status=open&zip_code=10115&store_id=noodles",
        "/rooms?near=52.5,13.4",
        "/rooms?q=lunch",
        "/rooms?q=lunch&near=52.5,13.4",
    ];
    let mut found = Vec::new();
    for list in lists {
        if ids(&person.get(list).await.items(), "box_id").contains(&"home".to_owned()) {
            found.push(list);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn only_allowed_users_use_and_see_a_private_box() {
    let (world, [ana, ben, eve]) = boxes().await;
    let operator = world.operator();
    ben.post("/boxes/home/rooms", room_details("noodles", 4)).await.refused(403, "private-box");
    let opened = ana.post("/boxes/home/rooms", room_details("noodles", 4)).await;
    let room = opened.created();
    for person in [&ben, &operator] {
        person.remember_position(&opened);
    }
    let path = format!("/rooms/{room}/members");
    ben.post(&*path, json!({})).via(1).await.refused(403, "private-box");
    assert_eq!((lists_with_home(&ana).await.len(), lists_with_home(&operator).await.len()), (9, 9));
    assert_eq!(lists_with_home(&ben).await, Vec::<&str>::new());
    assert_eq!(ids(&ben.get("/boxes").await.items(), "box_id"), ["station"]);
    for hidden in ["/boxes/home".to_owned(), format!("/rooms/{room}")] {
        ben.get(&hidden).await.refused(403, "private-box");
        ana.get(&hidden).await.ok();
    }
    ben.get("/boxes/nowhere").await.refused(404, "box-not-found");
    ben.get("/rooms/station.7").await.refused(404, "room-not-found");
    assert_eq!(operator.get("/boxes/home").await.ok()["users"], json!(["ana"]));
    assert!(ana.get("/boxes/home").await.ok().get("users").is_none());
    let moderator = world.moderator_called("mia");
    moderator.remember_position(&opened);
    assert!(moderator.get("/boxes/home").await.ok().get("users").is_none());

    let allowed = operator.put("/boxes/home/users/ben", json!({})).await;
    allowed.done();
    operator.put("/boxes/home/users/ben", json!({})).await.done();
    ben.remember_position(&allowed);
    assert_eq!(lists_with_home(&ben).await.len(), 9);
    ben.post(&*path, json!({})).await.created();

    // A guest comes with an invitation, and sees the box as long as the membership lasts.
    let made = ana.post(format!("/rooms/{room}/invitations"), json!({ "uses": 1, "minutes": 60 })).await;
    assert_eq!(made.status, 201, "{made}");
    eve.post(&*path, json!({ "invitation": made.json()["token"] })).await.created();
    eve.get("/boxes/home").await.ok();
    eve.get(&format!("/rooms/{room}")).await.ok();
    eve.say(&room, "I am a guest").await.created();
    assert_eq!(ids(&eve.get("/me/rooms").await.items(), "room_id"), std::slice::from_ref(&room));
    eve.delete(format!("{path}/me")).await.done();
    eve.get("/boxes/home").await.refused(403, "private-box");
    eve.post(&*path, json!({})).await.refused(403, "private-box");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_stay_when_their_permission_ends_or_the_box_becomes_private() {
    let (world, [ana, ben, _]) = boxes().await;
    let operator = world.operator();
    let room = ana.post("/boxes/home/rooms", room_details("noodles", 4)).await.created();
    operator.delete("/boxes/home/users/ana").await.done();
    ana.say(&room, "I stay").via(1).await.created();
    ana.get("/boxes/home").await.ok();
    ana.delete(format!("/rooms/{room}")).await.done();
    ana.post("/boxes/home/rooms", room_details("noodles", 4)).await.refused(403, "private-box");

    let shared = ben.post("/boxes/station/rooms", room_details("noodles", 4)).await.created();
    world.join(&ana, &shared).await;
    let changed = operator.patch("/boxes/station", json!({ "kind": "private" })).await;
    changed.done();
    for person in [&ana, &ben] {
        person.remember_position(&changed);
        person.say(&shared, "I stay").via(1).await.created();
        person.get(&format!("/rooms/{shared}")).await.ok();
    }
    ana.delete(format!("/rooms/{shared}/members/me")).await.done();
    ana.post(format!("/rooms/{shared}/members"), json!({})).await.refused(403, "private-box");
    operator.patch("/boxes/station", json!({ "kind": "shared" })).await.done();
    ana.post(format!("/rooms/{shared}/members"), json!({})).via(1).await.created();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lobby_shows_rooms_on_shared_boxes_only() {
    let (world, [ana, ben, _]) = boxes().await;
    ana.post("/boxes/home/rooms", room_details("noodles", 4)).await.created();
    let shared = ben.post("/boxes/station/rooms", room_details("noodles", 4)).await;
    ana.remember_position(&shared);
    ana.get("/rooms").await.ok();
    let mut live = world.live(0).await;
    live.hello(ana.token(), &[]).await;
    live.send(&json!({ "type": "subscribe_lobby", "id": 1, "zip_code": "10115" })).await;
    let lobby = live.until("the lobby", |frame| frame["type"] == "lobby").await;
    let rooms: Vec<_> = lobby["rooms"].as_array().unwrap().iter().map(|room| room["box_id"].clone()).collect();
    assert_eq!(rooms, ["station"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_user_is_no_user_of_a_box() {
    let (world, [ana, ..]) = boxes().await;
    let operator = world.operator();
    ana.delete("/users/me").await;
    testing::wait::eventually("the erasure is complete", async || {
        let users = operator.get("/boxes/home").await.ok()["users"].clone();
        (users == json!([])).then_some(())
    })
    .await;
    operator.put("/boxes/home/users/ana", json!({})).await.refused(404, "user-not-found");
    operator.put("/boxes/unknown/users/zoe", json!({})).await.refused(404, "box-not-found");
    operator.put("/boxes/home/users/Ana", json!({})).await.refused(404, "not-found");
    operator.put("/boxes/home/users/zoe", json!({})).await.done();
    operator.delete("/boxes/home/users/zoe").await.done();
    operator.delete("/boxes/home").await.done();
    operator.put("/boxes/home/users/zoe", json!({})).await.refused(409, "box-retired");
}
