//! A load that changes every table: users, stores, boxes, rooms that open and close, and their messages.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use serde_json::json;
use system_tests::{Person, World};
use testing::requests::{box_details, room_details};

/// The number of boxes in use at once.
const BOXES: usize = 8;

/// Sets up the boxes and stores that the load uses. Existing ones stay as they are.
pub(super) async fn prepare(world: &World) {
    let operator = world.operator();
    for number in 0..BOXES {
        operator.post("/boxes", box_details(&format!("box-{number}"))).await;
    }
    let store = json!({ "store_id": "corner", "name": "Corner", "zip_code": "10115" });
    operator.post("/stores", store).await;
}

/// Runs the load until `enough` is set.
pub(super) async fn run(world: &World, enough: &AtomicBool) {
    prepare(world).await;
    let boxes = async {
        join_all((0..BOXES).map(|number| use_box(world, format!("box-{number}"), enough))).await;
    };
    tokio::join!(boxes, come_and_go(world, enough), keep_stores(world, enough));
}

fn goes_on(enough: &AtomicBool) -> bool {
    !enough.load(Ordering::Relaxed)
}

async fn use_box(world: &World, box_id: String, enough: &AtomicBool) {
    let people = world.people(&format!("at-{box_id}"), 4);
    while goes_on(enough) {
        let open = people[0].post(format!("/boxes/{box_id}/rooms"), room_details("corner", 4)).await;
        let room = open.created();
        for guest in &people[1..] {
            world.join(guest, &room).await;
        }
        talk(&people, &room).await;
        let device = world.device(&box_id);
        device.post(format!("/boxes/{box_id}/arrivals"), json!({})).await.created();
        device.post(format!("/boxes/{box_id}/door-openings"), json!({})).await.created();
        people[0].delete(format!("/rooms/{room}/members/{}", people[3].id())).await.done();
        people[0].delete(format!("/rooms/{room}/members/me")).await.done();
        let details = json!({ "detailed_address": format!("after {room}") });
        world.operator().patch(format!("/boxes/{box_id}"), details).await.done();
        people[1].post(format!("/rooms/{room}/extensions"), json!({ "hours": 1 })).await.created();
        people[1].put(format!("/rooms/{room}/step"), json!({ "step": "collected" })).await.done();
        people[1].delete(format!("/rooms/{room}")).await.done();
    }
}

async fn talk(people: &[Person], room: &str) {
    for round in 0..6 {
        let said = people[round % 4].say(room, &format!("round {round} @{}", people[0].id())).await.created();
        let message = format!("/rooms/{room}/messages/{said}");
        for person in people {
            let reply = json!({ "body": format!("{} hears", person.id()), "reply_to": said });
            let reply = person.post(format!("/rooms/{room}/messages"), reply).await.created();
            person.put(format!("{message}/reactions/%F0%9F%91%8D"), json!({})).await.done();
            person.put(format!("/rooms/{room}/read-marker"), json!({ "message_id": reply })).await.done();
        }
        people[2].delete(format!("{message}/reactions/%F0%9F%91%8D")).await.done();
        people[round % 4].patch(message.clone(), json!({ "body": format!("round {round}, better") })).await.done();
        if round % 2 == 0 {
            people[0].delete(message).await.done();
        }
    }
}

async fn come_and_go(world: &World, enough: &AtomicBool) {
    let mut number = 0;
    while goes_on(enough) || number < 4 {
        let user = world.user(&format!("newcomer-{number}")).await;
        user.put("/users/me/devices/phone", json!({ "push_token": format!("token-{number}") })).await.done();
        user.put("/users/me/devices/tablet", json!({ "push_token": "token" })).await.done();
        user.delete("/users/me/devices/tablet").await.done();
        let preferences = json!({ "preferences": { "reply": number % 2 == 0 } });
        user.put("/users/me/notification-preferences", preferences).await.done();
        user.put("/users/me/muted-rooms/box-0.1", json!(null)).await.done();
        user.put(format!("/users/me/blocks/newcomer-{}", number + 1), json!(null)).await.done();
        let details = json!({ "detailed_address": format!("seen by {number}") });
        let changed = world.operator().patch("/boxes/box-0", details).await;
        user.post("/alarms/read", json!({ "up_to": changed.position() })).await.done();
        user.patch("/users/me", json!({ "nickname": format!("Newcomer {number}") })).await.done();
        if number % 3 == 2 {
            user.delete("/users/me").await.done();
        }
        number += 1;
    }
}

async fn keep_stores(world: &World, enough: &AtomicBool) {
    let operator = world.operator();
    world.register_store("other").await;
    world.user("reported").await;
    let report = json!({ "user_id": "reported", "category": "spam", "note": "soup" });
    world.user("reporter").await.post("/reports", report).await.created();
    let mut number = 0;
    while goes_on(enough) {
        let filter = json!({ "kind": "word", "pattern": format!("soup {number}"), "action": "mask" });
        operator.put(format!("/filters/soup-{}", number % 3), filter).await.done();
        operator.patch("/stores/other", json!({ "name": format!("Corner {number}") })).await.done();
        for state in ["closed", "open"] {
            operator.put("/stores/other/availability", json!({ "state": state })).await.done();
        }
        number += 1;
    }
}
