//! The rooms that connections of this process follow. An event is encoded once for all of them.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use async_nats::Client;
use domain::RoomId;
use service_kit::trace;
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tracing::Span;

use super::{
    live_event::{LiveEvent, UnsubscribeScope, live_event},
    replay::Feeds,
    send_queue::SendQueue,
    signals::Signals,
};
use crate::{
    error::Error,
    generation::Generations,
    metrics::{Kind, METRICS},
};

/// The interval between two checks whether heads must be compared.
const TICK: Duration = Duration::from_secs(1);

/// The interval between two comparisons of heads without a cause, because notifications can be lost unnoticed.
const COMPARE_INTERVAL: Duration = Duration::from_secs(10);

/// The interval between two comparisons of heads while subscriptions switch to another generation, and their duration:
/// events between the two subscriptions must be delivered without delay.
const SWITCH_TICK: Duration = Duration::from_millis(50);
const SWITCH: Duration = Duration::from_millis(500);

/// The maximum number of rooms in one comparison.
const COMPARE_CHUNK: usize = 1000;

/// The maximum number of rooms whose missed events are read at a time.
const MISSED_CHUNK: usize = 100;

/// The rooms that connections of this process follow. One per process.
pub(super) struct Hub {
    generations: Generations,
    signals: Arc<Signals>,
    rooms: Mutex<HashMap<RoomId, Arc<Channel>>>,
    /// True if heads must be compared soon, because notifications may be missing.
    must_compare: AtomicBool,
    /// Rooms with an event that must be read, because its notification lacks what other streams hold.
    unread: Mutex<HashSet<RoomId>>,
    /// Wakes the reader of those rooms.
    has_unread: Notify,
}

/// A room with followers. Removed with the last one.
struct Channel {
    room: RoomId,
    /// The greatest version seen in a notification or in the feed.
    head_v: AtomicI64,
    /// True until the feed is read: an event in a notification was incomplete.
    waits_for_feed: AtomicBool,
    followers: Mutex<Vec<Arc<SendQueue>>>,
}

impl Hub {
    pub(super) fn start(nats: Client, generations: Generations, feeds: Feeds) -> Arc<Self> {
        let signals = Signals::start(nats.clone());
        let hub = Arc::new(Self {
            generations,
            signals,
            rooms: Mutex::default(),
            must_compare: AtomicBool::new(false),
            unread: Mutex::default(),
            has_unread: Notify::new(),
        });
        supervision::spawn("the watcher of rooms", hub.clone().recover_missed(nats, feeds));
        hub
    }

    /// Returns the signals of rooms.
    pub(super) fn signals(&self) -> &Arc<Signals> {
        &self.signals
    }

    /// Starts delivering a room's events to this send queue.
    pub(super) fn join(&self, room: &RoomId, send_queue: &Arc<SendQueue>) {
        let mut rooms = self.rooms();
        if rooms.is_empty() {
            // The reader ticks again.
            self.has_unread.notify_one();
        }
        let channel = rooms.entry(room.clone()).or_insert_with(|| Arc::new(Channel::new(room)));
        channel.followers().push(send_queue.clone());
    }

    /// Stops delivering a room's events to this send queue.
    pub(super) fn leave(&self, room: &RoomId, send_queue: &Arc<SendQueue>) {
        let mut rooms = self.rooms();
        let Some(channel) = rooms.get(room) else { return };
        let empty = {
            let mut followers = channel.followers();
            followers.retain(|follower| !Arc::ptr_eq(follower, send_queue));
            followers.is_empty()
        };
        if empty {
            rooms.remove(room);
        }
    }

    /// Returns the last version of a followed room that this process has seen.
    pub(super) fn head(&self, room: &RoomId) -> Option<i64> {
        self.rooms().get(room).map(|channel| channel.head_v.load(Ordering::Relaxed))
    }

    /// Records the head version of a room's feed and passes it to followers, who then read what they miss.
    pub(super) fn record_head(&self, room: &RoomId, v: i64) {
        let channel = self.rooms().get(room).cloned();
        if let Some(channel) = channel {
            channel.record_head(v);
        }
    }

    fn has_followers(&self) -> bool {
        !self.rooms().is_empty()
    }

    /// Returns the number of followed rooms and the sum of their followers.
    pub(super) fn size(&self) -> (usize, usize) {
        let rooms = self.rooms();
        (rooms.len(), rooms.values().map(|channel| channel.followers().len()).sum())
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<RoomId, Arc<Channel>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unread(&self) -> MutexGuard<'_, HashSet<RoomId>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers an event to the followers of its room, or has it read from the feed.
    pub(super) fn deliver(&self, room: &RoomId, trace: Option<&str>, event: &str) {
        let Some(channel) = self.rooms().get(room).cloned() else { return };
        let _span = channel.span(trace);
        if !channel.deliver(event, &self.signals) {
            self.unread().insert(room.clone());
            self.has_unread.notify_one();
        }
    }

    /// Has the heads of all rooms compared at the next tick, because notifications may have been missed.
    pub(super) fn compare_soon(&self) {
        self.must_compare.store(true, Ordering::Relaxed);
    }

    /// Compares heads whenever notifications may have been lost.
    async fn recover_missed(self: Arc<Self>, nats: Client, feeds: Feeds) {
        let statistics = nats.statistics();
        let mut connects = 0;
        let mut compared = Instant::now();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut generations = self.generations.changes();
        let mut switched: Option<Instant> = None;
        let is_switching = |switched: Option<Instant>| switched.is_some_and(|at| at.elapsed() < SWITCH);
        loop {
            tokio::select! {
                _ = ticks.tick(), if self.has_followers() => {}
                () = sleep(SWITCH_TICK), if is_switching(switched) => {}
                () = self.has_unread.notified() => {}
                Ok(()) = generations.changed() => switched = Some(Instant::now()),
            }
            let unread: Vec<RoomId> = std::mem::take(&mut *self.unread()).into_iter().collect();
            if let Err(error) = self.compare(&feeds, &unread).await {
                tracing::debug!(%error, "cannot read the events of rooms");
                self.must_compare.store(true, Ordering::Relaxed);
                // The next tick tries again.
                continue;
            }
            let connects_now = statistics.connects.load(Ordering::Relaxed);
            let must_compare = self.must_compare.swap(false, Ordering::Relaxed) || is_switching(switched);
            if !must_compare && connects_now == connects && compared.elapsed() < COMPARE_INTERVAL {
                continue;
            }
            let rooms: Vec<RoomId> = self.rooms().keys().cloned().collect();
            match self.compare(&feeds, &rooms).await {
                Ok(()) => (connects, compared) = (connects_now, Instant::now()),
                Err(error) => {
                    tracing::debug!(%error, "cannot compare the heads of rooms");
                    self.must_compare.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    /// Delivers missed events. Reads them once for all followers, and in one query for many rooms. If a room has many,
    /// its followers read the rest, each at its own pace.
    async fn compare(&self, feeds: &Feeds, rooms: &[RoomId]) -> Result<(), Error> {
        for chunk in rooms.chunks(COMPARE_CHUNK) {
            METRICS.recovery_reads.inc();
            {
                // Before the read: what arrives during it is pushed, or read again.
                let known = self.rooms();
                let channels = chunk.iter().filter_map(|room| known.get(room));
                channels.for_each(|channel| channel.waits_for_feed.store(false, Ordering::Relaxed));
            }
            let heads = feeds.heads(chunk).await?;
            let behind = |(room, v): &(RoomId, i64)| {
                let known_v = self.head(room).filter(|known_v| (1..*v).contains(known_v))?;
                Some((room.clone(), known_v))
            };
            let behind: Vec<(RoomId, i64)> = heads.iter().filter_map(behind).collect();
            for some in behind.chunks(MISSED_CHUNK) {
                for (room, event) in feeds.missed(some).await? {
                    let channel = self.rooms().get(&room).cloned();
                    if let Some(channel) = channel {
                        channel.deliver_missed(&event, &self.signals);
                    }
                }
            }
            for (room, v) in heads {
                self.record_head(&room, v);
            }
        }
        Ok(())
    }
}

impl Channel {
    fn new(room: &RoomId) -> Self {
        let (head_v, waits_for_feed) = (AtomicI64::new(0), AtomicBool::new(false));
        Self { room: room.clone(), head_v, waits_for_feed, followers: Mutex::default() }
    }

    fn followers(&self) -> MutexGuard<'_, Vec<Arc<SendQueue>>> {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record_head(&self, v: i64) {
        if self.head_v.fetch_max(v, Ordering::Relaxed) < v {
            for follower in self.followers().iter() {
                follower.head(&self.room, v);
            }
        }
    }

    /// Encodes an event and delivers it to all followers. Returns false if it must be read from the feed, with all
    /// later ones.
    fn deliver(&self, event: &str, signals: &Signals) -> bool {
        let Some((event, kind)) = self.parse_event(event) else { return true };
        // The nickname belongs to another stream, so that only reads have it. Later events wait for the read.
        if kind == "member_joined" {
            self.waits_for_feed.store(true, Ordering::Relaxed);
        }
        if self.waits_for_feed.load(Ordering::Relaxed) {
            return false;
        }
        self.send_to_followers(&event);
        self.remove_departed(&event, signals);
        true
    }

    /// Skips a missed event that has arrived meanwhile: duplicates could fill a send queue.
    fn deliver_missed(&self, event: &str, signals: &Signals) {
        if let Some((event, _)) = self.parse_event(event) {
            if event.v > self.head_v.load(Ordering::Relaxed) {
                self.send_to_followers(&event);
            }
            self.remove_departed(&event, signals);
        }
    }

    /// Returns an event and its type.
    fn parse_event<'a>(&self, event: &'a str) -> Option<(Arc<LiveEvent>, &'a str)> {
        let event = live_event(&self.room, event);
        if event.is_none() {
            tracing::warn!(room.id = %self.room, "malformed event");
        }
        event.map(|(event, kind)| (Arc::new(event), kind))
    }

    fn send_to_followers(&self, event: &Arc<LiveEvent>) {
        self.head_v.fetch_max(event.v, Ordering::Relaxed);
        let followers = self.followers();
        for follower in followers.iter() {
            follower.push(event);
        }
        METRICS.delivered(Kind::Event, followers.len());
    }

    fn remove_departed(&self, event: &LiveEvent, signals: &Signals) {
        if let Some(UnsubscribeScope::User(user, _)) = &event.ends {
            signals.remove_user(&self.room, user);
        }
    }
}

impl Channel {
    /// Creates the last span of a traced command. It ends when it is dropped.
    fn span(&self, trace: Option<&str>) -> Option<Span> {
        let span = || {
            let followers = self.followers().len();
            tracing::info_span!(
                target: trace::TARGET, parent: None, "push",
                otel.kind = "consumer", room.id = %self.room, followers
            )
        };
        trace::child_spans(trace.into_iter(), span).pop()
    }
}
