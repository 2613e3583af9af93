//! Server-sent events over crashes of two query-services in turn and of a projector: each event arrives once.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use harness::{ServiceId, StackOptions};
use serde_json::Value;
use system_tests::{Listener, Person, World};
use testing::wait::eventually;
use tokio::time::sleep;

const QUERIES: [ServiceId; 2] = [ServiceId::Query(0), ServiceId::Query(1)];
const PROJECTOR: ServiceId = ServiceId::Projector(0);

/// The number of events that each client must receive after each crash.
const PROGRESS: usize = 50;

/// The codes of temporary refusals of a room during a start.
const PASSING: [&str; 3] = ["database-unavailable", "read-model-unavailable", "internal"];

/// A client that resumes with its last id, each time at the other service.
struct Follower {
    room: String,
    first: usize,
    records: Mutex<Records>,
    connections: AtomicUsize,
}

#[derive(Default)]
struct Records {
    last_id: Option<String>,
    /// The last version before the first stream.
    base: Option<u64>,
    events: Vec<Value>,
}

impl Follower {
    fn new(room: &str, first: usize) -> Self {
        Self { room: room.to_owned(), first, records: Mutex::default(), connections: AtomicUsize::new(0) }
    }

    async fn follow(&self, world: &World, person: &Person) {
        for turn in self.first.. {
            let last_id = self.records.lock().unwrap().last_id.clone();
            let opened = Listener::try_open(world, turn % 2, person, &[&self.room], last_id.as_deref()).await;
            match opened {
                Ok(stream) => self.listen(stream).await,
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    }

    async fn listen(&self, mut stream: Listener) {
        while let Ok(Some(frame)) = stream.try_next().await {
            assert_eq!(frame["type"] == "welcome", stream.frames().len() == 1, "{frame}");
            let mut records = self.records.lock().unwrap();
            match frame["type"].as_str().unwrap() {
                "welcome" => {
                    self.connections.fetch_add(1, Ordering::Relaxed);
                }
                "subscribed" => {
                    assert_eq!(frame["recovered"], records.base.is_some(), "{frame}");
                    records.base = records.base.or(frame["head_v"].as_u64());
                }
                "error" if PASSING.iter().any(|code| frame["code"] == *code) => return,
                "error" | "reset" | "unsubscribed" => panic!("{frame}"),
                _ if frame["v"].is_u64() => {
                    let next = records.base.unwrap() + records.events.len() as u64 + 1;
                    assert_eq!(frame["v"], next, "the next version of {}", self.room);
                    records.events.push(frame);
                }
                _ => {}
            }
            records.last_id = Some(stream.last_id().to_owned()).filter(|id| !id.is_empty());
        }
    }

    fn heard(&self) -> usize {
        self.records.lock().unwrap().events.len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_resume_without_a_gap_at_another_service_and_after_every_crash() {
    let world = World::start(StackOptions { query_services: 2, ..StackOptions::default() }).await;
    let ana = world.person("ana");
    let rooms = [world.open_room(&ana, "box-1", 2).await, world.open_room(&ana, "box-2", 2).await];
    for room in &rooms {
        world.sees_room(&ana, room).await;
    }
    let followers: Vec<_> = rooms.iter().flat_map(|room| [0, 1].map(|first| Follower::new(room, first))).collect();
    let enough = AtomicBool::new(false);
    let story = async {
        let crashes = async {
            crashes(&world, &followers).await;
            enough.store(true, Ordering::Relaxed);
        };
        tokio::join!(crashes, join_all(rooms.iter().map(|room| talk(&ana, room, &enough))));
        for follower in &followers {
            compare(&world, &ana, follower).await;
        }
    };
    tokio::select! {
        () = story => {}
        _ = join_all(followers.iter().map(|follower| follower.follow(&world, &ana))) => {}
    }
}

async fn talk(person: &Person, room: &str, enough: &AtomicBool) {
    for number in 0.. {
        person.say(room, &format!("message {number}")).await.created();
        if enough.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// Causes one crash after the other. Before the next, every client must receive new events again.
async fn crashes(world: &World, followers: &[Follower]) {
    let stack = &world.stack;
    go_on(followers).await;
    for _ in 0..2 {
        for query in QUERIES {
            stack.kill(query).await;
            go_on(followers).await;
            stack.start_again(query).await.unwrap();
        }
        stack.kill(PROJECTOR).await;
        stack.start_again(PROJECTOR).await.unwrap();
        go_on(followers).await;
    }
}

async fn go_on(followers: &[Follower]) {
    let before: Vec<_> = followers.iter().map(Follower::heard).collect();
    for (follower, before) in followers.iter().zip(before) {
        let more = async || (follower.heard() >= before + PROGRESS).then_some(());
        eventually(&format!("more of {} is received", follower.room), more).await;
    }
}

/// Checks that the received events equal the feed from the first stream on.
async fn compare(world: &World, reader: &Person, follower: &Follower) {
    let feed = world.feed(reader, &follower.room).await;
    let base = usize::try_from(follower.records.lock().unwrap().base.unwrap()).unwrap();
    let all = async || (base + follower.heard() >= feed.len()).then_some(());
    eventually("the last event is received", all).await;
    let records = follower.records.lock().unwrap();
    let told = |event: &Value| (event["v"].clone(), event["type"].clone(), event["data"].clone());
    assert_eq!(
        records.events.iter().map(told).collect::<Vec<_>>(),
        feed.iter().skip(base).map(told).collect::<Vec<_>>()
    );
    let connections = follower.connections.load(Ordering::Relaxed);
    eprintln!("{} events over {connections} streams: 0 gaps, 0 repeats", records.events.len());
}
