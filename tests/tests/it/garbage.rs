//! Garbage over NATS: requests of other clients are still answered, and a process that has lost its NATS client for
//! good exits.

use std::time::{Duration, Instant};

use harness::{Account, ServiceId, StackOptions};
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::{
    World,
    log::Device,
    raw::{Garbage, RawSender},
};
use testing::wait::eventually;
use tokio::time::timeout;

/// The number of garbage messages per account.
const MESSAGES: usize = 4_000;

/// The longest wait for an answer while garbage arrives.
const ANSWERED: Duration = Duration::from_secs(5);

/// Headers that crash the client library.
const LETHAL: &[u8] = b"NATS/1.0\r\nx-request-id: a\rb\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn garbage_from_boxes_and_operators_affects_no_other_caller() {
    let world = World::start(StackOptions::default()).await;
    world.install_box("box-1").await;
    let services = [ServiceId::Command(0), ServiceId::Projector(0)];
    let before = [world.stack.pid(services[0]).await, world.stack.pid(services[1]).await];
    let seed = rand::random();
    eprintln!("seed {seed}");
    let boxes = Garbage::new(seed, &["cmd.record_arrival", "cmd.open_room", "cmd.x.y", "cmd.no_such"], "_INBOX_device");
    let operators =
        Garbage::new(seed, &["ops.projector.status", "ops.projector.x", "cmd.erase_user"], "_INBOX_operator");
    let flood = async {
        tokio::join!(send_all(&world, Account::Device, boxes), send_all(&world, Account::Operator, operators));
    };
    let (box_itself, device) = (world.device("box-1"), Device::connect(&world.stack).await);
    let operator = connect(&world, Account::Operator, "operator").await;
    let mut flood = std::pin::pin!(flood);
    let (mut answered, mut over) = (0, false);
    while !over || answered < 20 {
        tokio::select! {
            () = &mut flood, if !over => over = true,
            () = ask(&device, &operator, box_itself.token(), answered) => answered += 1,
        }
    }
    for service in services {
        let page = format!("{}/readyz", world.stack.url(service));
        eventually(&format!("{service} is ready"), async || {
            (world.request(Method::GET, &page).send().await.ok()?.status() == 200).then_some(())
        })
        .await;
    }
    assert_eq!([world.stack.pid(services[0]).await, world.stack.pid(services[1]).await], before, "seed {seed}");
    for service in services {
        assert!(world.stack.stop(service).await.unwrap().success(), "{service} stops in order");
    }
    assert!(!world.stack.logs().unwrap().contains('\u{1b}'), "no colours and nothing else for terminals in files");
}

async fn send_all(world: &World, account: Account, mut garbage: Garbage) {
    let mut sender = RawSender::connect(&world.stack, account).await;
    for _ in 0..MESSAGES {
        sender.send(&garbage.message()).await;
    }
    sender.finish().await;
}

/// Sends a valid request as a box and as an operator, and checks the answers.
async fn ask(device: &Device, operator: &async_nats::Client, token: &str, number: usize) {
    let report = json!({ "token": token, "path": { "box": "box-1" }, "idempotency_key": format!("arrival-{number}") });
    let reply = timeout(ANSWERED, device.send("record_arrival", &report)).await.expect("an answer in time");
    assert_eq!(reply["status"], 201, "{reply:#}");
    let status = timeout(ANSWERED, operator.request("ops.projector.status", "{}".into())).await;
    let status = status.expect("an answer in time").expect("an answer");
    let status: Value = serde_json::from_slice(&status.payload).unwrap();
    assert!(status["done"].is_object(), "{status:#}");
}

async fn connect(world: &World, account: Account, user: &str) -> async_nats::Client {
    let url = world.stack.nats_url(account);
    let password = reqwest::Url::parse(&url).unwrap().password().unwrap_or_default().to_owned();
    let options = async_nats::ConnectOptions::with_user_and_password(user.to_owned(), password);
    options.custom_inbox_prefix(format!("_INBOX_{user}")).connect(url).await.unwrap()
}

/// Simulates a fault of one of Boxroom's processes: only these may publish to these subjects.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_with_a_dead_nats_client_ends_with_an_error() {
    let world = World::start(StackOptions::default()).await;
    let (ana, box_id) = (world.person("ana"), "box-1");
    let room = world.open_room(&ana, box_id, 2).await;
    let _live = world.follow(&ana, &room, 0).await;
    let of_room = format!("signal.room.{room}");
    let (command, projector, query) = (ServiceId::Command(0), ServiceId::Projector(0), ServiceId::Query(0));
    for (account, subject, services) in [
        (Account::Projector, "erasure.destroy_key", &[command][..]),
        (Account::Query, of_room.as_str(), &[query]),
        (Account::Admin, "stored.BOX_0.x", &[command, projector]),
    ] {
        let mut sender = RawSender::connect(&world.stack, account).await;
        let sent = Instant::now();
        sender.publish(subject, LETHAL, b"").await;
        for service in services {
            let page = format!("{}/healthz", world.stack.url(*service));
            eventually(&format!("{service} is gone"), async || {
                world.request(Method::GET, &page).send().await.is_err().then_some(())
            })
            .await;
            assert!(sent.elapsed() < Duration::from_secs(2), "{service} lived on for {:?}", sent.elapsed());
            eventually(&format!("{service} says why"), async || {
                world.stack.last_output(*service).await.contains("the connection to NATS failed").then_some(())
            })
            .await;
            assert!(!world.stack.stop(*service).await.unwrap().success(), "{service} ends with an error");
        }
        for service in services {
            world.stack.start_again(*service).await.unwrap();
        }
    }
    ana.say(&room, "all goes on").await.created();
    world.follow(&ana, &room, 0).await.message(&room, "all goes on").await;
}

/// Stops the nats-server with a signal: it answers nothing, and closes no connection.
#[tokio::test(flavor = "multi_thread")]
async fn every_service_stops_in_time_while_nats_hangs() {
    let world = World::start(StackOptions::default()).await;
    let ana = world.person("ana");
    let room = world.open_room(&ana, "box-1", 2).await;
    let device = Device::connect(&world.stack).await;
    let nats = world.stack.nats().pid().await.unwrap().to_string();
    let signal = async |name: &str| {
        let sent = tokio::process::Command::new("kill").args([name, &nats]).status().await.unwrap();
        assert!(sent.success());
    };
    let token = world.device("box-1").token().to_owned();
    let report = json!({ "token": token, "path": { "box": "box-1" } });
    assert_eq!(device.send("record_arrival", &report).await["status"], 201);
    signal("-STOP").await;
    let url = format!("{}/rooms/{room}/messages", world.stack.command_url(0));
    let say = world.request(Method::POST, &url).bearer_auth(ana.token()).json(&json!({ "body": "hello" }));
    let hanging = tokio::spawn(say.send());
    for service in [ServiceId::Command(0), ServiceId::Projector(0), ServiceId::Query(0)] {
        let asked = Instant::now();
        world.stack.stop(service).await.unwrap();
        assert!(asked.elapsed() < Duration::from_secs(5), "{service} took {:?}", asked.elapsed());
    }
    hanging.abort();
    signal("-CONT").await;
}
