//! Commands of moderators and operators against abuse.

mod accounts;
mod suspension;

use harness::StackOptions;
use serde_json::{Value, json};
use system_tests::{Person, World};
use testing::{Answer, requests::room_details};

/// The body of a command with this reason.
fn because(reason: &str) -> Value {
    json!({ "reason": reason })
}

/// Returns the entries of the audit trail about these events.
async fn audit(world: &World, events: &[&str]) -> Vec<Value> {
    let output = world.stack.operate("audit --json").await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let entries = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    entries.filter(|entry| events.iter().any(|event| entry["events"][0] == *event)).collect()
}

/// Rebuilds the read model, which must equal the former one.
async fn rebuild(world: &World) {
    let rebuilt = world.stack.operate("rebuild --yes --json").await.unwrap();
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    let status = world.stack.operate("status --json").await.unwrap();
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    let newest = status["generations"].as_array().unwrap().last().unwrap();
    assert_eq!((&newest["state"], &newest["verification"]["outcome"]), (&json!("active"), &json!("equal")));
}

/// The events of a room's feed with this type.
async fn events_of(world: &World, reader: &Person, room: &str, kind: &str) -> Vec<Value> {
    world.feed(reader, room).await.into_iter().filter(|event| event["type"] == kind).collect()
}

fn done_for(reader: &Person, answer: &Answer) {
    answer.done();
    reader.remember_position(answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn moderators_delete_messages_lift_kicks_and_close_rooms() {
    let world = World::start(StackOptions::default()).await;
    let (ana, ben, cho) = (world.user("ana").await, world.user("ben").await, world.user("cho").await);
    // The id of the moderator is also that of a user in the room.
    let (mia, user_mia) = (world.moderator_called("mia"), world.person("mia"));
    let room = world.open_room(&ana, "box-1", 5).await;
    for person in [&ben, &cho, &user_mia] {
        world.join(person, &room).await;
    }
    let [first, second] = [ben.say(&room, "buy watches").await.created(), ben.say(&room, "cheap").await.created()];
    ana.delete(format!("/rooms/{room}/members/cho")).await.done();

    let removal = |message: &str| format!("/rooms/{room}/messages/{message}/removal");
    let removed = mia.put(removal(&first), because("Advertising")).await;
    done_for(&ana, &removed);
    let shown = ana.get(&format!("/rooms/{room}/messages/{first}")).await.ok();
    assert_eq!((&shown["body"], &shown["author"]), (&Value::Null, &json!("ben")), "{shown}");
    let deleted = events_of(&world, &ana, &room, "message_deleted").await;
    assert_eq!(deleted[0]["data"], json!({ "message_id": first, "by_moderator": true }));
    assert_eq!(deleted[0]["by"], Value::Null, "{deleted:?}");
    // A repeat and another moderator change nothing.
    mia.put(removal(&first), because("Advertising")).await.done();
    world.operator().put(removal(&first), because("Advertising")).await.done();
    mia.put(removal("999999999"), because("Advertising")).await.refused(404, "message-not-found");

    let join = format!("/rooms/{room}/members");
    cho.post(&join, json!({})).await.refused(403, "kicked");
    let lifted = mia.put(format!("/rooms/{room}/lifted-kicks/cho"), because("A misunderstanding")).await;
    done_for(&cho, &lifted);
    cho.get(&join).await.refused(403, "not-a-member");
    mia.put(format!("/rooms/{room}/lifted-kicks/cho"), because("Again")).await.done();
    cho.post(&join, json!({})).await.created();

    let closed = mia.put(format!("/rooms/{room}/closure"), because("Trade with watches")).await;
    done_for(&ana, &closed);
    let shown = ana.get(&format!("/rooms/{room}")).await.ok();
    assert_eq!((&shown["status"], &shown["closed_reason"]), (&json!("closed"), &json!("moderator")));
    mia.put(format!("/rooms/{room}/closure"), because("Again")).await.refused(409, "room-closed");
    ana.say(&room, "hello?").await.refused(409, "room-closed");
    ana.post("/boxes/box-1/rooms", room_details("store-of-box-1", 2)).await.created();

    // The message of a closed room, whose box has another room by now.
    done_for(&ana, &mia.put(removal(&second), because("Advertising")).await);
    mia.put(removal(&second), because("Advertising, again")).await.done();
    let messages = ana.get(&format!("/rooms/{room}/messages")).await.items();
    assert!(messages.iter().all(|message| message["body"].is_null()), "{messages:?}");

    let feed = world.feed(&ana, &room).await;
    let told: Vec<(&str, &Value)> = feed
        .iter()
        .filter(|event| event["by"].is_null())
        .map(|event| (event["type"].as_str().unwrap(), &event["data"]))
        .collect();
    let expected = [
        ("message_deleted", json!({ "message_id": first, "by_moderator": true })),
        ("kick_lifted", json!({ "user_id": "cho" })),
        ("room_closed", json!({ "reason": "moderator" })),
        ("message_deleted", json!({ "message_id": second, "by_moderator": true })),
    ];
    assert_eq!(told, expected.each_ref().map(|(kind, data)| (*kind, data)));
    // Another principal has the id, so the user is alarmed as all others are.
    user_mia.remember_position(&closed);
    let alarms = user_mia.get("/me/alarms").await.items();
    let closing: Vec<_> = alarms.iter().filter(|alarm| alarm["kind"] == "room_closed").collect();
    assert!(closing.len() == 1 && closing[0]["by"].is_null(), "{alarms:?}");

    let entries = audit(&world, &["kick_lifted", "room_closed"]).await;
    let told: Vec<_> = entries
        .iter()
        .map(|entry| (entry["actor"].as_str(), entry["role"].as_str(), entry["reason"].as_str()))
        .collect();
    let by_mia = |reason| (Some("mia"), Some("moderator"), Some(reason));
    assert_eq!(told, [by_mia("A misunderstanding"), by_mia("Trade with watches")]);
    assert_eq!(entries[0]["targets"], json!(["cho"]));
    rebuild(&world).await;
    assert_eq!(world.feed(&ana, &room).await, feed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reason_is_mandatory_and_one_line() {
    let world = World::start(StackOptions::default()).await;
    let room = world.open_room(&world.person("ana"), "box-1", 2).await;
    let mia = world.moderator_called("mia");
    let close = async |body| mia.put(format!("/rooms/{room}/closure"), body).await;
    for body in [json!({}), because(""), because(" "), because("two\r\nlines"), because(&"x".repeat(201))] {
        close(body).await.refused(422, "invalid-body");
    }
    let reason = format!("Betrug: 사기, \"{}\"", "ü".repeat(150));
    close(because(&reason)).await.done();
    assert_eq!(audit(&world, &["room_closed"]).await[0]["reason"], reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_box_and_a_store_are_retired() {
    let world = World::start(StackOptions::default()).await;
    let (ana, ops) = (world.user("ana").await, world.operator());
    let room = world.open_room(&ana, "box-1", 2).await;
    world.install_box("box-2").await;
    ops.delete("/boxes/box-1").await.refused(409, "box-in-use");
    let retired = ops.put("/boxes/box-1/retirement", because("Burnt down")).await;
    done_for(&ana, &retired);
    let shown = ana.get(&format!("/rooms/{room}")).await.ok();
    assert_eq!((&shown["status"], &shown["closed_reason"]), (&json!("closed"), &json!("box_retired")));
    assert_eq!(ana.get("/boxes/box-1").await.ok()["status"], "retired");
    let alarms = ana.get("/me/alarms").await.items();
    assert!(alarms.iter().any(|alarm| alarm["kind"] == "room_closed"), "{alarms:?}");
    ops.put("/boxes/box-1/retirement", because("Again")).await.refused(409, "box-retired");
    let told = &audit(&world, &["room_closed"]).await[0];
    assert_eq!((&told["reason"], &told["events"]), (&json!("Burnt down"), &json!(["room_closed", "box_retired"])));

    let open = async |box_id: &str| ana.post(format!("/boxes/{box_id}/rooms"), room_details("store-of-box-1", 2)).await;
    let room = open("box-2").await.created();
    let retired = ops.put("/stores/store-of-box-1/retirement", because("Bankrupt")).await;
    done_for(&ana, &retired);
    let shown = ana.get("/stores/store-of-box-1").await.ok();
    assert_eq!((&shown["open"], &shown["retired"]), (&json!(false), &json!(true)));
    ana.say(&room, "The room stays open").await.created();
    ana.delete(format!("/rooms/{room}")).await.done();
    open("box-2").await.refused(409, "store-closed");
    ops.put("/stores/store-of-box-1/availability", json!({ "state": "open" })).await.refused(409, "store-retired");
    ops.patch("/stores/store-of-box-1", json!({ "name": "New" })).await.refused(409, "store-retired");
    ops.put("/stores/store-of-box-1/retirement", because("Again")).await.done();
    assert_eq!(audit(&world, &["store_retired"]).await.len(), 1);
    rebuild(&world).await;
}
