//! The TypeScript client in Node: it receives every event once and posts every message once, despite failures.

mod store;

use std::{
    collections::BTreeSet,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::future::join_all;
use harness::{ServiceId, StackOptions, checkout::Checkout, tools};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use system_tests::{Person, World};
use testing::{Proxy, wait::eventually};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    sync::oneshot,
};

/// The number of disturbances.
const ROUNDS: usize = 12;

/// The number of events that each program must receive after a disturbance.
const PROGRESS: u64 = 30;

/// A running program.
struct Program {
    name: &'static str,
    /// The number of events that it has received.
    events: Arc<AtomicU64>,
    stdin: ChildStdin,
    finished: oneshot::Receiver<Value>,
    _process: Child,
}

impl Program {
    fn start(name: &'static str, settings: &Value) -> Self {
        let checkout = Checkout::current().unwrap();
        let node = tools::node().unwrap();
        let mut process = Command::new(&node.program)
            .arg(checkout.repository.join("tests/tests/it/typescript/program.mjs"))
            .arg(settings.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (events, stdin) = (Arc::new(AtomicU64::new(0)), process.stdin.take().unwrap());
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (finish, finished) = oneshot::channel();
        tokio::spawn({
            let events = events.clone();
            async move {
                while let Ok(Some(line)) = lines.next_line().await {
                    let mut report: Value = serde_json::from_str(&line).unwrap();
                    if let Some(count) = report["events"].as_u64() {
                        events.store(count, Ordering::Relaxed);
                    }
                    if report["finished"].is_object() {
                        return drop(finish.send(report["finished"].take()));
                    }
                }
            }
        });
        Self { name, events, stdin, finished, _process: process }
    }

    /// Waits until the program has received more events.
    async fn go_on(&self) {
        let wanted = self.events.load(Ordering::Relaxed) + PROGRESS;
        let what = format!("the program {} receives {wanted} events", self.name);
        eventually(&what, async || (self.events.load(Ordering::Relaxed) >= wanted).then_some(())).await;
    }

    /// Stops posting. Returns all that the program has seen.
    async fn finish(mut self) -> Value {
        self.stdin.write_all(b"stop\n").await.unwrap();
        self.finished.await.expect("the program ends with a report")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_client_loses_and_doubles_nothing_despite_failures() {
    let package = tokio::task::spawn_blocking(|| tools::build_typescript_client(&Checkout::current()?)).await.unwrap();
    let package = package.unwrap_or_else(|error| panic!("{error:?}"));
    let world = World::start(StackOptions { query_services: 2, ..StackOptions::default() }).await;
    let (ana, ben) = (world.person("ana"), world.person("ben"));
    let room = world.open_room(&ana, "box-1", 2).await;
    world.join(&ben, &room).await;
    world.sees_room(&ben, &room).await;

    let queries =
        [Proxy::to_service(&world.stack.query_url(0)).await, Proxy::to_service(&world.stack.query_url(1)).await];
    let command = Proxy::to_service(&world.stack.command_url(0)).await;
    let start = |name, person: &Person, transport| {
        let settings = json!({
            "package": package, "name": name, "room": room, "token": person.token(), "transport": transport,
            "commands": [command.url()], "queries": queries.each_ref().map(Proxy::url),
        });
        Program::start(name, &settings)
    };
    let programs = [start("ana", &ana, "websocket"), start("ben", &ben, "sse")];

    let seed = rand::random();
    eprintln!("the seed is {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let all_go_on = async || {
        join_all(programs.iter().map(Program::go_on)).await;
    };
    all_go_on().await;
    // Every program reconnects at least once, whatever is drawn.
    queries.iter().for_each(Proxy::cut);
    all_go_on().await;
    for _ in 0..ROUNDS {
        let query = random.random_range(0..2);
        match random.random_range(0..3) {
            0 => {
                world.stack.kill(ServiceId::Query(query)).await;
                all_go_on().await;
                world.stack.start_again(ServiceId::Query(query)).await.unwrap();
            }
            1 => queries[query].cut(),
            _ => command.cut(),
        }
        all_go_on().await;
    }

    let reports = join_all(programs.into_iter().map(|program| async { (program.name, program.finish().await) })).await;
    let feed = world.feed(&ana, &room).await;
    for (name, report) in &reports {
        compare(name, report, &feed);
    }
}

/// Checks that a program has received the feed, and that the feed has each of its messages once.
fn compare(name: &str, report: &Value, feed: &[Value]) {
    let events = report["events"].as_array().unwrap();
    let received = events.iter().map(|event| json!([event["v"], event["type"], event["body"]]));
    let expected = feed.iter().take(events.len());
    let expected = expected.map(|event| json!([event["v"], event["type"], event["data"]["body"]]));
    assert_eq!(received.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{name}");

    let posted: Vec<&str> = report["posted"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let is_own = |event: &&Value| event["type"] == "message_posted" && event["data"]["author"] == name;
    let stored: Vec<&str> = feed.iter().filter(is_own).filter_map(|event| event["data"]["body"].as_str()).collect();
    assert_eq!(stored, posted, "{name} has posted each message once");
    let own = events.iter().filter(|event| event["own"] == true);
    let own: BTreeSet<&str> = own.filter_map(|event| event["body"].as_str()).collect();
    assert_eq!(own, posted.iter().copied().collect(), "{name} recognizes its own messages");
    let connections = report["connections"].as_u64().unwrap();
    assert!(connections > 1, "{name} had to reconnect");
    eprintln!(
        "{name} received {} events over {connections} connections and posted {} messages: 0 gaps, 0 repeats, 0 doubled",
        events.len(),
        posted.len()
    );
}
