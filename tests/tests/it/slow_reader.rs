//! A reader that stops reading for a while does not delay two hundred others.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use harness::{ServiceId, StackOptions};
use serde_json::Value;
use system_tests::{
    Live, Person, World,
    memory::{peak_resident, resident},
};
use testing::{requests::room_details, wait::eventually};
use tokio::time::{MissedTickBehavior, interval};

const QUERY: ServiceId = ServiceId::Query(0);
const ROOMS: usize = 10;
const READERS: usize = 20;

/// The interval of messages in each room.
const EVERY: Duration = Duration::from_millis(62);

/// The minimum duration of a phase, and the minimum number of messages in each room.
#[derive(Clone, Copy)]
struct Length {
    time: Duration,
    words: u64,
}

/// The phase in which a reader is stuck. The missed events exceed the system's buffers.
const STUCK: Length = Length { time: Duration::from_secs(20), words: 200 };

/// All other phases.
const SHORT: Length = Length { time: Duration::from_secs(5), words: 0 };

/// The limit on the service's growth while a reader is stuck, in KiB. A send queue of 256 KiB and its surroundings.
const GROWTH: u64 = 12 * 1024;

/// A room, and the last version that each reader has received.
struct Room {
    id: String,
    head: AtomicU64,
    versions: [AtomicU64; READERS],
}

impl Room {
    fn has_delivered_all(&self) -> bool {
        let head = self.head.load(Ordering::Relaxed);
        self.versions.iter().all(|v| v.load(Ordering::Relaxed) >= head)
    }
}

/// The delivery times of messages in microseconds: `taken[0]` from phases without a stuck reader, `taken[1]` with one.
struct Clock {
    begin: Instant,
    phase: AtomicUsize,
    taken: [Mutex<Vec<u64>>; 2],
}

impl Clock {
    fn stamp(&self) -> String {
        format!("{} {} ", self.phase.load(Ordering::Relaxed) % 2, self.begin.elapsed().as_micros())
    }

    fn note(&self, frame: &Value) {
        let now = u64::try_from(self.begin.elapsed().as_micros()).unwrap();
        let mut words = frame["data"]["body"].as_str().unwrap_or_default().split(' ');
        if let (Some(Ok(phase)), Some(Ok(sent))) = (words.next().map(str::parse::<usize>), words.next().map(str::parse))
        {
            let _: u64 = sent;
            self.taken[phase].lock().unwrap().push(now - sent);
        }
    }

    fn percentiles(&self, phase: usize) -> (usize, [u64; 2]) {
        let mut taken = self.taken[phase].lock().unwrap();
        taken.sort_unstable();
        (taken.len(), [50, 99].map(|percent| taken[taken.len() * percent / 100]))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_stuck_for_twenty_seconds_catches_up_and_delays_no_other_reader() {
    let world = World::start(StackOptions::default()).await;
    let host = world.person("host");
    let (readers, slow) = (world.people("reader", READERS / 2), world.person("slow"));
    let rooms = fill_rooms(&world, &host, &readers, &slow).await;
    let begin = Instant::now();
    let clock = Clock { begin, phase: AtomicUsize::new(0), taken: [Mutex::default(), Mutex::default()] };

    let story = async {
        let before = phase(&world, &host, &rooms, &clock, SHORT).await;
        let told_off = stuck(&world, &host, &rooms, &clock, (&slow, STUCK, before)).await;
        assert!(told_off > 0, "the reader received a lagging frame");
        phase(&world, &host, &rooms, &clock, SHORT).await;
        stuck(&world, &host, &rooms, &clock, (&slow, SHORT, before)).await;
    };
    tokio::select! {
        () = story => {}
        () = run_readers(&world, &readers, &rooms, &clock) => {}
    }
    let (alone, [p50, p99]) = clock.percentiles(0);
    let (beside, [slow_p50, slow_p99]) = clock.percentiles(1);
    let ratio =
        |with: u64, without: u64| f64::from(u32::try_from(with).unwrap()) / f64::from(u32::try_from(without).unwrap());
    eprintln!(
        "from command to reader, without a stuck one: p50 {p50} us, p99 {p99} us ({alone} deliveries); \
         beside a stuck one: p50 {slow_p50} us, p99 {slow_p99} us ({beside} deliveries); ratios {:.2} and {:.2}",
        ratio(slow_p50, p50),
        ratio(slow_p99, p99),
    );
}

/// Rooms with all readers and the slow one as members.
async fn fill_rooms(world: &World, host: &Person, readers: &[Person], slow: &Person) -> Vec<Room> {
    world.register_store("noodles").await;
    join_all((0..ROOMS).map(|number| async move {
        let box_id = format!("box-{number}");
        world.install_box(&box_id).await;
        let id = host.post(format!("/boxes/{box_id}/rooms"), room_details("noodles", 100)).await.created();
        for guest in readers.iter().chain([slow]) {
            world.join(guest, &id).await;
        }
        for guest in readers.iter().chain([slow]) {
            world.sees_room(guest, &id).await;
        }
        let head = AtomicU64::new(2 + readers.len() as u64);
        Room { id, head, versions: std::array::from_fn(|_| AtomicU64::new(0)) }
    }))
    .await
}

/// Two hundred connections, two of each reader in each room.
async fn run_readers(world: &World, readers: &[Person], rooms: &[Room], clock: &Clock) {
    let connections = rooms.iter().flat_map(|room| (0..READERS).map(move |number| (room, number)));
    join_all(connections.map(|(room, number)| async move {
        let mut live = world.live(0).await;
        live.hello(readers[number % readers.len()].token(), &[(&room.id, Some(0))]).await;
        loop {
            let frame = live.next().await.unwrap_or_else(|ended| panic!("a reader was disconnected: {ended:?}"));
            if frame["type"] == "ping" {
                live.send(&serde_json::json!({ "type": "pong" })).await;
            }
            clock.note(&frame);
            room.versions[number].store(live.version(&room.id), Ordering::Relaxed);
            live.clear_frames();
        }
    }))
    .await;
}

/// Posts for a while and waits until all readers have received everything. Returns the peak memory in KiB.
async fn phase(world: &World, host: &Person, rooms: &[Room], clock: &Clock, length: Length) -> u64 {
    let talking = async {
        join_all(rooms.iter().map(|room| talk(host, room, clock, length))).await;
        let all = || rooms.iter().all(Room::has_delivered_all);
        eventually("all other readers have received everything", async || all().then_some(())).await;
    };
    let (most, ()) = peak_resident(&world.stack, QUERY, talking).await;
    clock.phase.fetch_add(1, Ordering::Relaxed);
    most
}

async fn talk(host: &Person, room: &Room, clock: &Clock, length: Length) {
    let filler = "🍜".repeat(500);
    let (begin, before) = (Instant::now(), room.head.load(Ordering::Relaxed));
    let mut beat = interval(EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while begin.elapsed() < length.time || room.head.load(Ordering::Relaxed) < before + length.words {
        beat.tick().await;
        host.say(&room.id, &(clock.stamp() + &filler)).await.created();
        room.head.fetch_add(1, Ordering::Relaxed);
    }
}

/// A phase with another connection that follows all rooms and reads nothing. Returns the number of its lagging frames.
async fn stuck(
    world: &World,
    host: &Person,
    rooms: &[Room],
    clock: &Clock,
    (slow, length, before): (&Person, Length, u64),
) -> usize {
    let mut live = Live::connect_narrow(&world.stack.query_url(0)).await;
    let heads: Vec<u64> = rooms.iter().map(|room| room.head.load(Ordering::Relaxed)).collect();
    let wanted: Vec<_> = rooms.iter().zip(&heads).map(|(room, head)| (room.id.as_str(), Some(*head))).collect();
    live.hello(slow.token(), &wanted).await;
    let most = phase(world, host, rooms, clock, length).await;
    assert!(most < before + GROWTH, "the service grew from {before} to {most} KiB");

    for room in rooms {
        live.until_version(&room.id, room.head.load(Ordering::Relaxed)).await;
    }
    let mut all = 0;
    for (room, from) in rooms.iter().zip(heads) {
        let missed = room.head.load(Ordering::Relaxed) - from;
        all += missed;
        assert_eq!(live.events(&room.id).len() as u64, missed, "the missed events of {}", room.id);
    }
    let told_off = live.frames().iter().filter(|frame| frame["type"] == "lagging").count();
    let after = resident(&world.stack, QUERY).await;
    eprintln!(
        "stuck for {:?}: {before} KiB before, {most} at peak, {after} after; {all} events, {told_off} lagging frames",
        length.time
    );
    told_off
}
