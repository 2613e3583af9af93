//! Clients that resume after any failure: they receive v = 1, 2, 3 … of each room, and finally the whole feed.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use client::{Client, Event, Incoming, Options, Since};
use futures::future::join_all;
use harness::{ServiceId, StackOptions};
use serde_json::json;
use system_tests::{Person, World};
use testing::{Proxy, wait::eventually};
use tokio::time::{sleep, timeout};

const QUERIES: [ServiceId; 2] = [ServiceId::Query(0), ServiceId::Query(1)];
const PROJECTOR: ServiceId = ServiceId::Projector(0);

/// The number of events that each client must receive after each failure, before the next.
const PROGRESS: usize = 60;

/// A client that records events and fails at the first gap or repeat.
struct Follower {
    name: String,
    token: String,
    urls: Vec<String>,
    /// Restarts repeatedly, like a program that crashes but keeps its records.
    crashes: bool,
    heard: Mutex<BTreeMap<String, Vec<Event>>>,
    connections: AtomicUsize,
}

impl Follower {
    fn new(name: String, person: &Person, urls: Vec<String>, crashes: bool, rooms: &[String]) -> Self {
        let heard = rooms.iter().map(|room| (room.clone(), Vec::new())).collect();
        let token = person.token().to_owned();
        Self { name, token, urls, crashes, heard: Mutex::new(heard), connections: AtomicUsize::new(0) }
    }

    async fn follow(&self) {
        loop {
            let life = Duration::from_millis(if self.crashes { rand::random_range(50..1_500) } else { 600_000 });
            // At the timeout the client is dropped, and all its memory is lost.
            let _ = timeout(life, self.live()).await;
        }
    }

    async fn live(&self) {
        let token = self.token.clone();
        let options = Options::new(self.urls.clone(), move || std::future::ready(Ok(token.clone())));
        let (client, mut inbox) = Client::connect(options.longest_delay(Duration::from_secs(1))).unwrap();
        for (room, last_v) in self.versions() {
            client.subscribe(room.parse().unwrap(), Since::After(last_v as u64));
        }
        while let Some(incoming) = inbox.next().await {
            match incoming.unwrap_or_else(|error| panic!("{} stops: {error}", self.name)) {
                Incoming::Event(event) => self.record(event),
                Incoming::Connected { .. } => {
                    self.connections.fetch_add(1, Ordering::Relaxed);
                }
                gone @ (Incoming::Ended { .. } | Incoming::Reset { .. } | Incoming::AlarmsReset { .. }) => {
                    panic!("{} receives {gone:?}", self.name)
                }
                _ => {}
            }
        }
    }

    fn record(&self, event: Event) {
        let mut heard = self.heard.lock().unwrap();
        let events = heard.get_mut(&event.room.to_string()).unwrap();
        assert_eq!(event.v, events.len() as u64 + 1, "the next version for {} of {}", self.name, event.room);
        events.push(event);
    }

    /// The last version of each room.
    fn versions(&self) -> BTreeMap<String, usize> {
        self.heard.lock().unwrap().iter().map(|(room, events)| (room.clone(), events.len())).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_receives_every_event_once_and_in_order_despite_failures() {
    let env = QUERIES.map(|query| (query, "BOXROOM_HEARTBEAT", "5".to_owned())).to_vec();
    let world = World::start(StackOptions { query_services: 2, env, ..StackOptions::default() }).await;
    let people = world.people("member", 4);
    let mut rooms = Vec::new();
    for box_id in ["box-1", "box-2", "box-3"] {
        let room = world.open_room(&people[0], box_id, 4).await;
        for guest in &people[1..] {
            world.join(guest, &room).await;
            world.sees_room(guest, &room).await;
        }
        rooms.push(room);
    }
    let urls: Vec<String> = (0..2).map(|index| world.stack.query_url(index)).collect();
    let proxies = [Proxy::to_service(&urls[0]).await, Proxy::to_service(&urls[1]).await];
    let followers = everybody(&people, &rooms, &urls, &proxies);

    let enough = AtomicBool::new(false);
    let story = async {
        let inject_failures = async {
            inject_failures(&world, &followers).await;
            enough.store(true, Ordering::Relaxed);
        };
        tokio::join!(inject_failures, join_all(rooms.iter().map(|room| talk(&people, room, &enough))));
        nothing_is_lost(&world, &people, &rooms, &followers).await;
    };
    tokio::select! {
        () = story => {}
        _ = join_all(followers.iter().map(Follower::follow)) => {}
        () = cut_at_random(&proxies) => {}
    }
}

/// Three clients of each user: one that keeps running, one whose connections are cut, one that crashes.
fn everybody(people: &[Person], rooms: &[String], urls: &[String], proxies: &[Proxy]) -> Vec<Follower> {
    let detours: Vec<String> = proxies.iter().map(Proxy::url).collect();
    let clients = people.iter().flat_map(|person| {
        let client = |kind, urls: &[String], crashes| {
            Follower::new(format!("the {kind} client of {}", person.id()), person, urls.to_vec(), crashes, rooms)
        };
        [client("steady", urls, false), client("interrupted", &detours, false), client("crashing", urls, true)]
    });
    clients.collect()
}

/// Lets all users post in a room, with retries of what was not acknowledged, until `enough` is set.
async fn talk(people: &[Person], room: &str, enough: &AtomicBool) {
    for round in 0.. {
        let person = &people[round % people.len()];
        let key = format!("{room}-{round}");
        let said = eventually("a message is stored", async || {
            let answer = person.say(room, &format!("round {round}")).key(&key).attempt().await.ok()?;
            (answer.status == 201).then(|| answer.created())
        })
        .await;
        let reaction = person.put(format!("/rooms/{room}/messages/{said}/reactions/%F0%9F%91%8D"), json!({}));
        // The reaction may be stored or not. The feed decides at the end.
        let _ = reaction.attempt().await;
        if enough.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// Causes one failure after the other. Before the next, every client must receive new events again.
async fn inject_failures(world: &World, followers: &[Follower]) {
    let stack = &world.stack;
    go_on(followers).await;
    for query in QUERIES {
        stack.kill(query).await;
        go_on(followers).await;
        stack.start_again(query).await.unwrap();
        go_on(followers).await;
    }
    stack.kill(PROJECTOR).await;
    stack.start_again(PROJECTOR).await.unwrap();
    go_on(followers).await;
    for crash in [false, true] {
        if crash {
            stack.nats().kill().await;
        } else {
            stack.nats().stop().await;
        }
        stack.nats().start_again().await.unwrap();
        go_on(followers).await;
    }
    stack.kill(PROJECTOR).await;
    stack.kill(QUERIES[0]).await;
    stack.start_again(PROJECTOR).await.unwrap();
    stack.stop(QUERIES[1]).await;
    for query in QUERIES {
        stack.start_again(query).await.unwrap();
    }
    go_on(followers).await;
}

/// Waits until every client has received more events of every room.
async fn go_on(followers: &[Follower]) {
    let before: Vec<_> = followers.iter().map(Follower::versions).collect();
    for (follower, before) in followers.iter().zip(&before) {
        eventually(&format!("{} receives more", follower.name), async || {
            let now = follower.versions();
            now.iter().all(|(room, last_v)| *last_v >= before[room] + PROGRESS).then_some(())
        })
        .await;
    }
}

/// Repeatedly cuts all connections through one of the proxies.
async fn cut_at_random(proxies: &[Proxy; 2]) {
    loop {
        sleep(Duration::from_millis(rand::random_range(50..1_000))).await;
        proxies[rand::random_range(0..2)].cut();
    }
}

/// Waits until every client has reached the end of each feed, and compares it with the feed as its user reads it.
async fn nothing_is_lost(world: &World, people: &[Person], rooms: &[String], followers: &[Follower]) {
    let mut events = 0;
    for room in rooms {
        for (person, followers) in people.iter().zip(followers.chunks(followers.len() / people.len())) {
            let feed = world.feed(person, room).await.into_iter().map(|mut event| {
                event["room_id"] = json!(room);
                serde_json::from_value(event).unwrap()
            });
            let feed: Vec<Event> = feed.collect();
            for follower in followers {
                eventually(&format!("{} receives the last event", follower.name), async || {
                    (follower.versions()[room] >= feed.len()).then_some(())
                })
                .await;
                assert_eq!(follower.heard.lock().unwrap()[room], feed, "{} and {room}", follower.name);
            }
            events += feed.len();
        }
    }
    let connections: usize = followers.iter().map(|follower| follower.connections.load(Ordering::Relaxed)).sum();
    eprintln!(
        "each of {} clients received {} events, over {connections} connections: 0 gaps, 0 repeats, 0 lost",
        followers.len(),
        events / people.len()
    );
}
