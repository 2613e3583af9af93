//! The export of a user's data: what the user did, and the same from a rebuilt read model.

use harness::StackOptions;
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::{Person, World};
use testing::requests::room_details;

/// Returns the lines of an export, after the person's own writes.
async fn export(world: &World, person: &Person) -> Vec<Value> {
    person.get("/me/rooms").await.ok();
    let request = world.request(Method::GET, &format!("{}/me/export", world.stack.query_url(0)));
    let response = request.bearer_auth(person.token()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let text = response.text().await.unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_type<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_what_the_user_did_and_is_the_same_after_a_rebuild() {
    let world = World::start(StackOptions::default()).await;
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    world.install_box("box-1").await;
    world.register_store("noodles").await;
    let room = ana.post("/boxes/box-1/rooms", room_details("noodles", 4)).await.created();
    world.join(&ben, &room).await;
    let hello = ben.say(&room, "Hello @ana").await.created();
    let first = ana.say(&room, "first").await.created();
    let second = ana.say(&room, "secnod").await.created();
    ana.patch(format!("/rooms/{room}/messages/{second}"), json!({ "body": "second" })).await.done();
    ana.delete(format!("/rooms/{room}/messages/{first}")).await.done();
    ana.put(format!("/rooms/{room}/messages/{hello}/reactions/👍"), Value::Null).await.done();
    ana.put(format!("/rooms/{room}/read-marker"), json!({ "message_id": hello })).await.done();
    ana.put("/users/me/devices/phone", json!({ "push_token": "secret-token" })).await.done();
    let last = ana.put(format!("/users/me/muted-rooms/{room}"), Value::Null).await;
    last.done();
    ana.remember_position(&last);

    let lines = export(&world, &ana).await;
    assert_eq!((&lines[0]["type"], &lines.last().unwrap()["type"]), (&json!("export"), &json!("end")));
    assert_eq!(of_type(&lines, "account")[0]["nickname"], "ana");
    assert_eq!(of_type(&lines, "device").len(), 1);
    assert_eq!(of_type(&lines, "muted_room")[0]["room_id"], room.as_str());
    let shown = of_type(&lines, "room");
    assert_eq!((shown.len(), &shown[0]["room_id"], &shown[0]["read_up_to"]), (1, &json!(room), &json!(hello)));
    let messages: Vec<_> =
        of_type(&lines, "message").into_iter().map(|line| (&line["message_id"], &line["body"])).collect();
    assert_eq!(messages, [(&json!(first), &Value::Null), (&json!(second), &json!("second"))]);
    let reactions: Vec<_> =
        of_type(&lines, "reaction").into_iter().map(|line| (&line["message_id"], &line["emoji"])).collect();
    assert_eq!(reactions, [(&json!(hello), &json!("👍"))]);
    let alarms: Vec<_> = of_type(&lines, "alarm").into_iter().map(|line| &line["kind"]).collect();
    assert_eq!(alarms, ["mention"]);
    let text = json!(lines).to_string();
    assert!(!text.contains("Hello") && !text.contains("secret-token"), "{text}");

    let rebuilt = world.stack.operate("rebuild --yes --json").await.unwrap();
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    assert_eq!(export(&world, &ana).await, lines);
}
