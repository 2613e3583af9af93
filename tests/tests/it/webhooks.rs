//! Webhooks: what a receiver gets, in which order, and what happens when it or the notifier fails.

use std::{collections::BTreeMap, time::Duration};

use harness::{Role, ServiceId, StackOptions};
use receiver::Receiver;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use system_tests::World;
use testing::wait::{eventually, until_within};

mod backlog;
mod receiver;
mod restored;
mod stopped;

/// The time in which webhooks arrive after a failure.
const LIMIT: Duration = Duration::from_secs(40);

/// The exit code of `boxroomctl` without an answer.
const NO_ANSWER: i32 = 5;

/// Starts a world with a notifier that sends to private addresses, and pauses at most a second between attempts.
async fn world(options: StackOptions) -> World {
    let mut options = StackOptions { notifiers: 1, ..options };
    options.env.extend(
        [
            ("BOXROOM_PRIVATE_WEBHOOKS", "true"),
            ("BOXROOM_WEBHOOK_MAX_RETRY", "1"),
            ("BOXROOM_WEBHOOK_TIMEOUT", "3"),
            ("BOXROOM_LOG", "info,notifier=debug"),
        ]
        .map(|(name, value)| (ServiceId::Notifier(0), name, value.to_owned())),
    );
    World::start(options).await
}

/// Runs the operators' command line to its end. Returns the exit code and the output.
async fn boxroomctl(world: &World, words: &[&str]) -> (i32, String) {
    eventually("a notifier answers", async || {
        let output = world.stack.boxroomctl(words).await.unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        Some((output.status.code().unwrap(), said)).filter(|(code, _)| *code != NO_ANSWER)
    })
    .await
}

/// Runs a command that succeeds, and returns its JSON.
async fn done(world: &World, words: &[&str]) -> Value {
    let (code, said) = boxroomctl(world, &[words, &["--json"]].concat()).await;
    assert_eq!(code, 0, "{said}");
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// Registers a receiver. Returns the id of the webhook.
async fn add(world: &World, receiver: &Receiver, types: &str) -> String {
    let added = done(world, &["webhook", "add", "--url", &receiver.url(), "--types", types]).await;
    receiver.verify_with(added["secret"].as_str().unwrap());
    added["webhook"]["webhook_id"].as_str().unwrap().to_owned()
}

async fn show(world: &World, webhook: &str) -> Value {
    done(world, &["webhook", "show", webhook]).await
}

/// Waits until a receiver has accepted this number of different events.
async fn until_accepted(receiver: &Receiver, count: usize) {
    let arrived = async || receiver.accepted() >= count;
    until_within(LIMIT, &format!("{count} events"), arrived).await;
}

/// Posts messages on alternating boxes, and returns their ids by box, in order.
async fn post(people: &system_tests::Person, rooms: &[String], count: usize, ids: &mut BTreeMap<String, Vec<u64>>) {
    for number in 0..count {
        for room in rooms {
            let id = people.say(room, &format!("secret {number}")).await.created();
            let box_id = room.rsplit_once('.').unwrap().0.to_owned();
            ids.entry(box_id).or_default().push(id.parse().unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_was_down_gets_everything_in_order() {
    let world = world(StackOptions { secured: true, ..StackOptions::default() }).await;
    let mut receiver = Receiver::start().await;
    let webhook = add(&world, &receiver, "message_posted").await;
    let ana = world.user("ana").await;
    let rooms = [world.open_room(&ana, "box-1", 4).await, world.open_room(&ana, "box-3", 4).await];
    let mut ids = BTreeMap::new();
    post(&ana, &rooms, 3, &mut ids).await;
    until_accepted(&receiver, 6).await;

    receiver.stop().await;
    post(&ana, &rooms, 5, &mut ids).await;
    world.stack.kill(ServiceId::Notifier(0)).await;
    post(&ana, &rooms, 5, &mut ids).await;
    world.stack.spawn(ServiceId::Notifier(0)).await.unwrap();
    post(&ana, &rooms, 5, &mut ids).await;
    eventually("an attempt fails", async || {
        let shown = show(&world, &webhook).await;
        shown["webhook"]["last_failure"]["reason"].is_string().then_some(())
    })
    .await;
    receiver.start_again().await;
    receiver.delay(Duration::from_millis(30));
    until_accepted(&receiver, 12).await;
    world.stack.kill(ServiceId::Notifier(0)).await;
    world.stack.spawn(ServiceId::Notifier(0)).await.unwrap();
    until_accepted(&receiver, 36).await;

    let mut positions: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for event in receiver.first_accepted() {
        assert_eq!((&event["specversion"], &event["type"]), (&json!("1.0"), &json!("boxroom.message_posted")));
        assert_eq!((&event["data"]["author"], &event["data"]["body"]), (&json!("ana"), &Value::Null), "{event}");
        let (_, sequence) = event["id"].as_str().unwrap().rsplit_once('.').unwrap();
        positions.entry(event["subject"].as_str().unwrap().to_owned()).or_default().push(sequence.parse().unwrap());
    }
    assert_eq!(positions, ids);
    assert_eq!(receiver.unverified(), 0);
    assert!(!receiver.has_overlaps(), "two requests of a box at a time");
    assert!(!receiver.contents().contains("secret"), "a text was sent");
    eventually("everything is done", async || {
        let shown = show(&world, &webhook).await;
        let counts = json!({ "waiting": 0, "sending": 0, "done": 36, "dead": 0 });
        (shown["live"] == counts).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_replayed_from_a_position() {
    let world = world(StackOptions::default()).await;
    let receiver = Receiver::start().await;
    let ana = world.user("ana").await;
    let room = world.open_room(&ana, "box-1", 4).await;
    ana.say(&room, "before").await.created();
    // It begins at the end of the log.
    let webhook = add(&world, &receiver, "*").await;
    let mut ids = BTreeMap::new();
    post(&ana, std::slice::from_ref(&room), 5, &mut ids).await;
    until_accepted(&receiver, 5).await;
    let first: Vec<String> = receiver.accepted_in_order();
    assert_eq!(first.len(), 5, "{first:?}");

    done(&world, &["webhook", "replay", &webhook, "--from-position", &first[2]]).await;
    ana.say(&room, "live").await.created();
    until_within(LIMIT, "a replay", async || receiver.accepted_in_order().len() >= 9).await;
    let all = receiver.accepted_in_order();
    let repeated: Vec<&String> = all[5..].iter().filter(|id| first.contains(id)).collect();
    assert_eq!(repeated, first[2..].iter().collect::<Vec<_>>(), "in order, with the same ids");
    assert_eq!(all.iter().filter(|id| !first.contains(id)).count(), 1, "{all:?}");
    let shown = show(&world, &webhook).await;
    assert_eq!((&shown["live"]["done"], &shown["replayed"]["done"]), (&json!(6), &json!(3)), "{shown}");
    assert_eq!(receiver.unverified(), 0);

    let (code, said) = boxroomctl(&world, &["webhook", "replay", &webhook, "--from-position", "box-0.x.1"]).await;
    assert_eq!(code, 3, "{said}");
    assert_eq!(done(&world, &["webhook", "remove", &webhook, "--yes"]).await["webhook_id"], webhook.as_str());
    let (code, said) = boxroomctl(&world, &["webhook", "show", &webhook]).await;
    assert_eq!(code, 3, "{said}");
    let witness = Receiver::start().await;
    add(&world, &witness, "message_posted").await;
    ana.say(&room, "after").await.created();
    until_accepted(&witness, 1).await;
    assert_eq!(receiver.accepted_in_order().len(), 9, "a removed webhook gets nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_event_stops_only_its_box_and_gone_pauses_the_webhook() {
    let world = world(StackOptions::default()).await;
    let receiver = Receiver::start().await;
    let ana = world.user("ana").await;
    let rooms = [world.open_room(&ana, "box-1", 4).await, world.open_room(&ana, "box-2", 4).await];
    let webhook = add(&world, &receiver, "message_posted").await;
    receiver.answer("box-1", 500);
    let mut ids = BTreeMap::new();
    post(&ana, &rooms, 4, &mut ids).await;
    until_accepted(&receiver, 4).await;
    let of_box = |box_id: &str| receiver.first_accepted().iter().filter(|event| event["subject"] == box_id).count();
    assert_eq!((of_box("box-1"), of_box("box-2")), (0, 4));
    receiver.answer("box-1", 204);
    until_accepted(&receiver, 8).await;

    // Paused by the receiver.
    receiver.answer("box-2", 410);
    ana.say(&rooms[1], "gone").await.created();
    eventually("the webhook is paused", async || {
        (show(&world, &webhook).await["webhook"]["paused_by"] == "receiver").then_some(())
    })
    .await;
    receiver.answer("box-2", 204);
    let witness = Receiver::start().await;
    let other = add(&world, &witness, "message_posted").await;
    ana.say(&rooms[0], "waits").await.created();
    until_accepted(&witness, 1).await;
    assert_eq!(receiver.accepted(), 8, "nothing is sent during a pause");
    done(&world, &["webhook", "remove", &other, "--yes"]).await;
    let listed = done(&world, &["webhook", "list"]).await;
    assert_eq!((&listed["webhook_id"], &listed["last_failure"]["reason"]), (&json!(webhook), &json!("status 410")));
    done(&world, &["webhook", "resume", &webhook]).await;
    until_accepted(&receiver, 10).await;

    // Paused by an operator, and without a projector.
    done(&world, &["webhook", "pause", &webhook]).await;
    world.stack.kill(ServiceId::Projector(0)).await;
    ana.say(&rooms[0], "later").await.created();
    done(&world, &["webhook", "resume", &webhook]).await;
    until_accepted(&receiver, 11).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_are_refused() {
    let world = World::start(StackOptions { notifiers: 1, ..StackOptions::default() }).await;
    for (url, types) in [
        ("https://127.0.0.1:8443/", "*"),
        ("https://[::1]/", "*"),
        ("https://169.254.169.254/latest", "*"),
        ("http://shop.example/", "*"),
        ("shop.example", "*"),
        ("https://shop.example:22/", "*"),
        ("https://user:password@shop.example/", "*"),
        (&format!("https://shop.example/{}", "x".repeat(2048)), "*"),
        ("https://shop.example/", "order_placed"),
    ] {
        let (code, said) = boxroomctl(&world, &["webhook", "add", "--url", url, "--types", types]).await;
        assert_eq!(code, 3, "{url}: {said}");
    }
    // A name is resolved when the connection is made.
    let added = done(&world, &["webhook", "add", "--url", "https://localhost:8443/", "--types", "box_installed"]).await;
    let webhook = added["webhook"]["webhook_id"].as_str().unwrap();
    world.install_box("box-1").await;
    let reason = eventually("the attempt fails", async || {
        let reason = show(&world, webhook).await["webhook"]["last_failure"]["reason"].clone();
        reason.as_str().map(str::to_owned)
    })
    .await;
    assert_eq!(reason, "the address is not allowed: it is not a public address");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_webhooks_of_the_greatest_size_are_listed_and_no_more_are_registered() {
    let world = world(StackOptions::default()).await;
    let receiver = Receiver::start().await;
    let first = add(&world, &receiver, "*").await;
    let mut database = PgConnection::connect(&world.stack.database_url(Role::Admin)).await.unwrap();
    let others = "insert into delivery.webhooks (webhook_id, url, types)
                  select
                    'wh-x' || number,
                    rpad('https://shop.example/', 2048, 'x'),
                    array(select 'a_long_type_of_events_' || type from generate_series(1, 32) as type)
                  from generate_series(1, 98) as number";
    sqlx::query(others).execute(&mut database).await.unwrap();
    let last = add(&world, &receiver, "*").await;
    let (code, said) = boxroomctl(&world, &["webhook", "list", "--json"]).await;
    let ids: Vec<Value> =
        said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["webhook_id"].take()).collect();
    assert_eq!((code, ids.len()), (0, 100), "{said}");
    assert!(said.len() > 256 * 1024 && ids.contains(&json!(first)) && ids.contains(&json!(last)), "{ids:?}");
    let (code, said) = boxroomctl(&world, &["webhook", "add", "--url", &receiver.url(), "--types", "*"]).await;
    assert!(code == 3 && said.contains("there are too many webhooks: 100"), "{code}: {said}");
}
