//! Users who post, read and listen continuously, with the durations of all requests.

use std::{
    fmt,
    ops::Range,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use client::{Client, Incoming, Options, Since};
use futures::future::{join_all, select_all};
use system_tests::{Person, World};
use testing::wait::eventually;
use tokio::time::sleep;

/// The last message in each room.
const GOODBYE: &str = "good-bye";

/// The start and the duration of a request.
#[derive(Debug, Clone, Copy)]
struct Sample {
    begun_at: Duration,
    took: Duration,
}

/// The distribution of durations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Took {
    pub(super) count: usize,
    pub(super) median: Duration,
    pub(super) worst: Duration,
}

/// Rooms with one writer, two readers and two listeners each.
pub(super) struct Load<'a> {
    world: &'a World,
    /// The interval between two messages in a room, and between two reads of a reader.
    pace: Duration,
    rooms: Vec<(String, Vec<Person>)>,
    begin: Instant,
    enough: AtomicBool,
    said: AtomicUsize,
    requests: AtomicUsize,
    reads: Mutex<Vec<Sample>>,
    frames: Mutex<Vec<Sample>>,
    failures: Mutex<Vec<String>>,
    finished: AtomicUsize,
}

impl<'a> Load<'a> {
    pub(super) async fn prepare(world: &'a World, rooms: usize, pace: Duration) -> Self {
        let mut prepared = Vec::new();
        for number in 0..rooms {
            let people = world.people(&format!("at-{number}"), 2);
            let room = world.open_room(&people[0], &format!("box-{number}"), 4).await;
            world.join(&people[1], &room).await;
            world.sees_room(&people[1], &room).await;
            prepared.push((room, people));
        }
        Self {
            world,
            pace,
            rooms: prepared,
            begin: Instant::now(),
            enough: AtomicBool::new(false),
            said: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            reads: Mutex::default(),
            frames: Mutex::default(),
            failures: Mutex::default(),
            finished: AtomicUsize::new(0),
        }
    }

    /// Runs until the story ends and all posting has stopped.
    pub(super) async fn run<T>(&self, story: impl Future<Output = T>) -> T {
        let talking = join_all(self.rooms.iter().map(|(room, people)| self.talk(room, &people[0])));
        let reading = join_all(
            self.rooms.iter().flat_map(|(room, people)| [0, 1].map(|index| self.read(room, &people[index], index))),
        );
        let listening = self
            .rooms
            .iter()
            .flat_map(|(room, people)| [0, 1].map(|index| Box::pin(self.listen(room, &people[index], index))));
        let told = async {
            let (told, ..) = tokio::join!(story, talking, reading);
            let all = self.rooms.len() * 2;
            eventually("all listeners have received the last message", async || {
                (self.finished.load(Ordering::Relaxed) == all).then_some(())
            })
            .await;
            told
        };
        tokio::select! {
            told = told => told,
            _ = select_all(listening) => unreachable!("listeners never end"),
        }
    }

    pub(super) fn stop(&self) {
        self.enough.store(true, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    pub(super) fn said(&self) -> usize {
        self.said.load(Ordering::Relaxed)
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    pub(super) fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap().clone()
    }

    pub(super) fn reads(&self, phase: &Range<Duration>) -> Took {
        Took::of(&self.reads.lock().unwrap(), phase)
    }

    pub(super) fn frames(&self, phase: &Range<Duration>) -> Took {
        Took::of(&self.frames.lock().unwrap(), phase)
    }

    pub(super) async fn until_said(&self, messages: usize) {
        eventually("messages are posted", async || (self.said() >= messages).then_some(())).await;
    }

    pub(super) async fn until_said_more(&self, messages: usize) {
        self.until_said(self.said() + messages).await;
    }

    /// Checks that each feed ends with the last message, which all listeners have received.
    pub(super) async fn assert_all_messages_are_delivered(&self) {
        for (room, people) in &self.rooms {
            let feed = self.world.feed(&people[1], room).await;
            let last = feed.last().unwrap();
            assert_eq!(last["data"]["body"], GOODBYE, "{room}");
            assert_eq!(last["v"].as_u64().unwrap(), feed.len() as u64);
        }
    }

    async fn talk(&self, room: &str, person: &Person) {
        let mut number = 0;
        loop {
            let last = self.enough.load(Ordering::Relaxed);
            let body = if last { GOODBYE.to_owned() } else { self.now().as_micros().to_string() };
            let (command, key) = (person.say(room, &body), format!("{room}-{number}"));
            let command = command.key(&key);
            eventually("a message is stored", async || {
                self.requests.fetch_add(1, Ordering::Relaxed);
                match command.attempt().await {
                    Ok(answer) if answer.status == 201 => Some(()),
                    Ok(answer) => self.fail(&format!("say: {} {}", answer.status, answer.text())),
                    Err(error) => self.fail(&format!("say: {error}")),
                }
            })
            .await;
            if last {
                return;
            }
            self.said.fetch_add(1, Ordering::Relaxed);
            number += 1;
            sleep(self.pace).await;
        }
    }

    fn fail(&self, what: &str) -> Option<()> {
        self.failures.lock().unwrap().push(format!("{:?}: {what}", self.now()));
        None
    }

    /// Reads at one of the query-services. The reads wait for the user's own messages.
    async fn read(&self, room: &str, person: &Person, index: usize) {
        while !self.enough.load(Ordering::Relaxed) {
            let begun_at = self.now();
            self.requests.fetch_add(1, Ordering::Relaxed);
            match person.try_get(Some(index), &format!("/rooms/{room}/messages?limit=20")).await {
                Ok(answer) if answer.status == 200 => {
                    let took = self.now().saturating_sub(begun_at);
                    self.reads.lock().unwrap().push(Sample { begun_at, took });
                }
                Ok(answer) => drop(self.fail(&format!("read: {} {}", answer.status, answer.text()))),
                Err(error) => drop(self.fail(&format!("read: {error}"))),
            }
            sleep(self.pace).await;
        }
    }

    async fn listen(&self, room: &str, person: &Person, index: usize) {
        let token = person.token().to_owned();
        let options = Options::new([self.world.stack.query_url(index)], move || std::future::ready(Ok(token.clone())));
        let (client, mut inbox) = Client::connect(options.longest_delay(Duration::from_millis(500))).unwrap();
        client.subscribe(room.parse().unwrap(), Since::After(0));
        let mut last_v = 0;
        while let Some(incoming) = inbox.next().await {
            match incoming.unwrap() {
                Incoming::Event(event) => {
                    assert_eq!(event.v, last_v + 1, "{room}");
                    last_v = event.v;
                    let body = event.data["body"].as_str().unwrap_or_default();
                    if body == GOODBYE {
                        self.finished.fetch_add(1, Ordering::Relaxed);
                    } else if let Ok(said_at) = body.parse() {
                        let begun_at = Duration::from_micros(said_at);
                        let took = self.now().saturating_sub(begun_at);
                        self.frames.lock().unwrap().push(Sample { begun_at, took });
                    }
                }
                gone @ (Incoming::Ended { .. } | Incoming::Reset { .. }) => panic!("{room}: {gone:?}"),
                _ => {}
            }
        }
        unreachable!("{room} ended at {last_v}");
    }
}

impl Took {
    fn of(samples: &[Sample], phase: &Range<Duration>) -> Self {
        let within = samples.iter().filter(|sample| phase.contains(&sample.begun_at));
        let mut took: Vec<Duration> = within.map(|sample| sample.took).collect();
        took.sort_unstable();
        assert!(!took.is_empty(), "nothing happened in {phase:?}");
        Self { count: took.len(), median: took[took.len() / 2], worst: took[took.len() - 1] }
    }
}

impl fmt::Display for Took {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (median {:.1?}, worst {:.1?})", self.count, self.median, self.worst)
    }
}
