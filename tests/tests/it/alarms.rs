//! Alarms from their cause to all devices of a user: counted, withdrawn, and marked as read.

use harness::StackOptions;
use serde_json::{Value, json};
use system_tests::{Person, World, live::Live};

async fn two_in_a_room(world: &World) -> (Person, Person, String) {
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    let room = world.open_room(&ana, "box-1", 4).await;
    world.join(&ben, &room).await;
    (ana, ben, room)
}

async fn alarm(device: &mut Live, kind: &str) -> Value {
    device.until(kind, |frame| frame["type"] == "alarm" && frame["kind"] == kind).await
}

/// Waits for a number of unread alarms. Returns its token.
async fn unread(device: &mut Live, unread: u64) -> Value {
    let frame = device.until("unread alarms", |frame| frame["type"] == "alarms" && frame["unread"] == unread).await;
    frame["up_to"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_device_reads_is_read_on_all() {
    let world = World::start_doubled().await;
    let (ana, ben, room) = two_in_a_room(&world).await;
    let (mut phone, mut laptop) = (world.live(0).await, world.live(1).await);
    for device in [&mut phone, &mut laptop] {
        device.hello(ana.token(), &[]).await;
        unread(device, 0).await;
    }
    ben.say(&room, "@ana, soup?").await.created();
    for device in [&mut phone, &mut laptop] {
        alarm(device, "mention").await;
    }
    let up_to = unread(&mut phone, 1).await;
    unread(&mut laptop, 1).await;
    let said = ben.say(&room, "@ana?").await;
    ana.remember_position(&said);
    unread(&mut phone, 2).await;
    ana.post("/alarms/read", json!({ "up_to": up_to })).await.done();
    for device in [&mut phone, &mut laptop] {
        unread(device, 1).await;
    }
    let page = ana.get("/me/alarms").await.ok();
    let read: Vec<_> = page["items"].as_array().unwrap().iter().map(|alarm| &alarm["read"]).collect();
    assert_eq!((read, &page["unread"]), (vec![&json!(false), &json!(true)], &json!(1)));
    ana.post("/alarms/read", json!({ "up_to": page["up_to"] })).await.done();
    ana.post("/alarms/read", json!({ "up_to": up_to })).await.done();
    let page = ana.get("/me/alarms?unread=true").await.ok();
    assert_eq!((&page["items"], &page["unread"]), (&json!([]), &json!(0)), "a mark does not go back");
    unread(&mut laptop, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_without_a_cause_is_withdrawn() {
    let world = World::start(StackOptions::default()).await;
    let (ana, ben, room) = two_in_a_room(&world).await;
    let mut phone = world.live(0).await;
    phone.hello(ana.token(), &[]).await;
    let question = ana.say(&room, "soup?").await.created();
    let answer = ben.say(&room, "yes, @ana").await.created();
    let mention = alarm(&mut phone, "mention").await;
    let emoji = |emoji: &str| format!("/rooms/{room}/messages/{question}/reactions/{emoji}");
    ben.put(emoji("👍"), json!({})).await.done();
    let reaction = alarm(&mut phone, "reaction").await;
    assert_eq!(reaction["count"], 1);

    ben.delete(format!("/rooms/{room}/messages/{answer}")).await.done();
    let withdrawn = |frame: &Value| frame["type"] == "alarm_withdrawn";
    assert_eq!(phone.until("a withdrawal", withdrawn).await["id"], mention["id"]);
    phone.clear_frames();
    let removed = ben.delete(emoji("👍")).await;
    removed.done();
    phone.until("a withdrawal", |frame| withdrawn(frame) && frame["id"] == reaction["id"]).await;
    ana.remember_position(&removed);
    let page = ana.get("/me/alarms").await.ok();
    assert_eq!((&page["items"], &page["unread"]), (&json!([]), &json!(0)));

    let said = ben.say(&room, "@ana, bread?").await;
    said.created();
    alarm(&mut phone, "mention").await;
    ben.delete("/users/me").await.done();
    let all = phone.until("a withdrawal of all", |frame| frame["type"] == "alarms_withdrawn").await;
    assert_eq!((&all["box_id"], &all["by"]), (&json!("box-1"), &json!("ben")));
    ana.remember_position(&said);
    let kinds: Vec<Value> = ana.get_all("/me/alarms").await.into_iter().map(|alarm| alarm["kind"].clone()).collect();
    assert!(!kinds.contains(&json!("mention")), "{kinds:?}");
}
