//! Idempotency: a command that is repeated with its key is executed once, even over crashes.

use std::{
    collections::BTreeMap,
    path::Path,
    process::Command as Program,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures::future::join_all;
use harness::{ServiceId, StackOptions};
use serde_json::{Value, json};
use system_tests::{Command, Person, World};
use testing::{
    Answer,
    requests::room_details,
    wait::{eventually, new_key},
};

/// Checks that a repetition gets the first answer and adds nothing to the log.
async fn repeats(world: &World, first: &Answer, again: Command<'_>) {
    let log = world.log().await;
    let before = log.length().await;
    let again = again.await;
    assert!(again.is_replay(), "{again}");
    assert_eq!((again.status, &again.body, again.position()), (first.status, &first.body, first.position()));
    assert_eq!(log.length().await, before, "{again} added to the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_command_gets_the_first_answer_from_any_service_in_a_changed_room() {
    let world = World::start_doubled().await;
    let (ana, ben) = (world.person("ana"), world.person("ben"));
    world.install_box("box-1").await;
    world.register_store("noodles").await;
    let open = ana.post("/boxes/box-1/rooms", room_details("noodles", 2)).via(0);
    let opened = open.clone().await;
    assert!(!opened.is_replay());
    let room = opened.created();
    let join = ben.post(format!("/rooms/{room}/members"), json!({})).via(1);
    let joined = join.clone().await;
    let say = ana.say(&room, "once").via(0);
    let said = say.clone().await;
    let extend = ana.post(format!("/rooms/{room}/extensions"), json!({ "hours": 1 })).via(1);
    let extended = extend.clone().await;
    let all = [(&opened, &open), (&joined, &join), (&said, &say), (&extended, &extend)];
    for (first, command) in all {
        first.created();
        for service in [0, 1] {
            repeats(&world, first, command.clone().via(service)).await;
        }
    }

    let close = ana.delete(format!("/rooms/{room}")).via(0);
    let closed = close.clone().await;
    closed.done();
    ana.say(&room, "twice").await.refused(409, "room-closed");
    for (first, command) in all.into_iter().chain([(&closed, &close)]) {
        for service in [0, 1] {
            repeats(&world, first, command.clone().via(service)).await;
        }
    }
    // Another room is open, and the restarted service knows the earlier commands from the log only.
    ben.post("/boxes/box-1/rooms", room_details("noodles", 2)).await.created();
    world.stack.kill(ServiceId::Command(0)).await;
    world.stack.start_again(ServiceId::Command(0)).await.unwrap();
    for (first, command) in all.into_iter().chain([(&closed, &close)]) {
        repeats(&world, first, command.clone().via(0)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_one_request_of_one_user() {
    let world = World::start_doubled().await;
    let (ana, ben) = (world.person("ana"), world.person("ben"));
    let room = world.open_room(&ana, "box-1", 2).await;
    world.join(&ben, &room).await;
    let key = new_key();
    let said = ana.say(&room, "one thing").key(&key).await;
    let id = said.created();
    let log = world.log().await;
    let before = log.length().await;
    for service in [0, 1] {
        let other_body = ana.say(&room, "another thing").key(&key).via(service).await;
        other_body.refused(422, "idempotency-key-reused");
        let other_path = ana.patch(format!("/rooms/{room}/messages/{id}"), json!({ "body": "one thing" }));
        other_path.key(&key).via(service).await.refused(422, "idempotency-key-reused");
    }
    for bad in ["", "with space", "a\u{7f}b", &"x".repeat(65)] {
        let Ok(answer) = ana.say(&room, "x").key(bad).attempt().await else { continue };
        answer.refused(400, "invalid-idempotency-key");
    }
    assert_eq!(log.length().await, before);
    let his = ben.say(&room, "one thing").key(&key).await;
    assert!(!his.is_replay());
    assert_ne!(his.created(), id, "keys are scoped to one user");
    for edge in ["!", &"~".repeat(64)] {
        ana.say(&room, "edge").key(edge).await.created();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_recognized_after_the_duplicate_window_of_the_server() {
    let world = World::start_doubled().await;
    let log = world.log().await;
    log.shrink_duplicate_window(Duration::from_millis(100)).await;
    let ana = world.person("ana");
    let room = world.open_room(&ana, "box-1", 2).await;
    let say = ana.say(&room, "once");
    let said = say.clone().await;
    let register = json!({ "store_id": "late", "name": "Late Bar", "zip_code": "10115" });
    let operator = world.operator();
    let register = operator.post("/stores", register);
    let registered = register.clone().await;
    // Later messages go on until the window has certainly passed.
    let until = testing::wait::now() + chrono::TimeDelta::seconds(1);
    testing::wait::until_after(until).await;
    ana.say(&room, "in between").await.created();
    for service in [0, 1] {
        repeats(&world, &said, say.clone().via(service)).await;
        repeats(&world, &registered, register.clone().via(service)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_with_an_answer_lost_in_a_crash_is_answered_by_another_service() {
    let world = World::start_doubled().await;
    let ana = world.person("ana");
    let room = world.open_room(&ana, "box-1", 2).await;
    // From now on this service has the box in its cache and decides without reading the log.
    ana.say(&room, "warm").via(0).await.created();

    let nats = world.stack.nats().pid().await.unwrap();
    signal("-STOP", nats);
    let long = "x".repeat(4000);
    let lost = ana.say(&room, &long).via(0);
    let attempt = async {
        lost.attempt().await.expect_err("the service does not answer");
    };
    let crash = async {
        let port = world.stack.nats().port();
        eventually("the append has reached the server", async || (unread_bytes(port) > 4000).then_some(())).await;
        world.stack.kill(ServiceId::Command(0)).await;
    };
    tokio::join!(attempt, crash);
    signal("-CONT", nats);

    let answer = eventually("the repetition is answered", async || {
        let answer = lost.clone().via(1).await;
        (answer.status == 201).then_some(answer)
    })
    .await;
    assert!(answer.is_replay(), "it had been stored before the crash");
    ana.remember_position(&answer);
    let messages = ana.get(&format!("/rooms/{room}/messages")).await.items();
    assert_eq!(messages.iter().filter(|message| message["body"] == long.as_str()).count(), 1);
    assert_eq!(messages[0]["message_id"], answer.created());
}

fn signal(name: &str, pid: i32) {
    assert!(Program::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

/// Returns the largest receive queue of this port's connections, in bytes.
fn unread_bytes(port: u16) -> u64 {
    let table = std::fs::read_to_string(Path::new("/proc/net/tcp")).unwrap();
    let local = format!(":{port:04X}");
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours = rows.filter(|row| row[1].ends_with(&local));
    ours.filter_map(|row| u64::from_str_radix(row[4].split_once(':')?.1, 16).ok()).max().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_repeats_around_five_crashes_stores_every_command_once() {
    const SENDERS: usize = 16;
    let world = World::start(StackOptions { command_services: 2, ..StackOptions::default() }).await;
    let senders = world.people("sender", SENDERS);
    let room = world.open_room(&senders[0], "box-1", SENDERS).await;
    for sender in &senders[1..] {
        world.join(sender, &room).await;
    }
    let enough = AtomicBool::new(false);
    let sending = join_all(senders.iter().map(|sender| insist(sender, &room, &enough)));
    let crashing = async {
        let log = world.log().await;
        for _ in 0..5 {
            let goal = log.length().await + 20;
            eventually("the storm goes on", async || (log.length().await >= goal).then_some(())).await;
            world.stack.kill(ServiceId::Command(0)).await;
            world.stack.start_again(ServiceId::Command(0)).await.unwrap();
        }
        enough.store(true, Ordering::Relaxed);
    };
    let (acknowledged, ()) = tokio::join!(sending, crashing);
    let acknowledged: BTreeMap<String, String> = acknowledged.into_iter().flatten().collect();

    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut stored = Vec::new();
    for sender in &senders {
        // Only the sender of a command sees its id.
        let feed = world.feed(sender, &room).await;
        let posted = feed.iter().filter(|event| event["type"] == "message_posted" && event["by"] == sender.id());
        stored.extend(posted.map(|event| (text(&event["command_id"]), text(&event["data"]["message_id"]))));
    }
    assert_eq!(stored.len(), acknowledged.len(), "nothing was stored twice");
    assert_eq!(stored.into_iter().collect::<BTreeMap<_, _>>(), acknowledged);
}

/// Posts messages one after the other, and repeats each to either service until it is acknowledged. Returns the
/// messages' ids by the commands' keys.
async fn insist(sender: &Person, room: &str, enough: &AtomicBool) -> Vec<(String, String)> {
    let mut acknowledged = Vec::new();
    while !enough.load(Ordering::Relaxed) {
        let key = new_key();
        let say = sender.say(room, "again and again").key(&key);
        let id = eventually("the message is acknowledged", async || match say.attempt().await {
            Ok(answer) if answer.status == 201 => Some(answer.created()),
            Ok(answer) => {
                answer.refused(503, "log-unavailable");
                None
            }
            Err(_) => None,
        })
        .await;
        acknowledged.push((key, id));
    }
    acknowledged
}
