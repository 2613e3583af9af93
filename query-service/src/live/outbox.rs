//! What waits to be written to one connection: bounded in bytes, so that a slow client costs nobody else anything.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use axum::extract::ws::Utf8Bytes;
use domain::{RoomId, UserId};
use tokio::sync::mpsc;

use super::{frames::Parting, seen::Positions};
use crate::metrics::{Kind, METRICS, Queue};

/// The most bytes that may wait for one connection.
const CAPACITY: usize = 256 * 1024;

/// An event of a room, encoded once and shared by all who follow the room.
#[derive(Debug)]
pub(super) struct LiveEvent {
    pub(super) room: RoomId,
    pub(super) v: i64,
    pub(super) frame: Utf8Bytes,
    /// Whose following ends with this event, and why.
    pub(super) parts: Option<Parts>,
}

/// Whose following of a room ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parts {
    /// That of one user.
    One(UserId, Parting),
    /// That of everybody: the room has closed.
    Everybody,
}

impl Parts {
    /// Why a user's following ends, if it does.
    pub(super) fn reason_for(&self, user: &UserId) -> Option<Parting> {
        match self {
            Self::One(parted, reason) => (parted == user).then_some(*reason),
            Self::Everybody => Some(Parting::Closed),
        }
    }
}

/// Something without a version, encoded once and shared by all who follow the room.
#[derive(Debug)]
pub(super) struct LiveSignal {
    pub(super) room: RoomId,
    pub(super) frame: Utf8Bytes,
}

/// Something that the hub has for a connection.
#[derive(Debug)]
pub(super) enum Delivery {
    /// It happened.
    Event(Arc<LiveEvent>),
    /// It is so at the moment.
    Signal(Arc<LiveSignal>),
    /// It concerns the user, whichever rooms are followed.
    News(Utf8Bytes),
    /// All alarms up to these positions have been delivered before.
    AlarmsComplete(Arc<Positions>),
    /// There was no room in the outbox for news.
    Overfull,
    /// The feed reaches this far; if the connection does not, something was lost on the way.
    Head(RoomId, i64),
    /// There was no room in the outbox for some events; the feed has them.
    Missed(RoomId),
}

/// The hub's end of a connection. Held by the channels of the rooms that the connection follows.
#[derive(Debug)]
pub(super) struct Outbox {
    sender: mpsc::UnboundedSender<Delivery>,
    waiting: AtomicUsize,
    /// `Overfull` was said.
    overfull: AtomicBool,
    /// Rooms for which `Missed` waits: said once, however much is missed.
    missed: Mutex<HashSet<RoomId>>,
}

/// The connection's end.
#[derive(Debug)]
pub(super) struct Inbox {
    receiver: mpsc::UnboundedReceiver<Delivery>,
    outbox: Arc<Outbox>,
}

impl Outbox {
    /// Hands an event over, or notes that it was missed. Never waits.
    pub(super) fn push(&self, event: &Arc<LiveEvent>) {
        let size = event.frame.len();
        if self.waiting.load(Ordering::Relaxed) + size <= CAPACITY {
            self.waiting.fetch_add(size, Ordering::Relaxed);
            // the connection may just have closed
            let _ = self.sender.send(Delivery::Event(event.clone()));
        } else if self.missed_rooms().insert(event.room.clone()) {
            METRICS.lagging.inc();
            let _ = self.sender.send(Delivery::Missed(event.room.clone()));
        }
    }

    /// Hands news over. No feed would have them again: a connection that has no room even for these has to end.
    pub(super) fn news(&self, frame: &Utf8Bytes) {
        let size = frame.len();
        if self.waiting.load(Ordering::Relaxed) + size <= CAPACITY * 2 {
            self.waiting.fetch_add(size, Ordering::Relaxed);
            let _ = self.sender.send(Delivery::News(frame.clone()));
            METRICS.delivered(Kind::News, 1);
        } else if !self.overfull.swap(true, Ordering::Relaxed) {
            let _ = self.sender.send(Delivery::Overfull);
        }
    }

    /// Says up to where all alarms have been handed over.
    pub(super) fn alarms_complete(&self, positions: &Positions) {
        let _ = self.sender.send(Delivery::AlarmsComplete(Arc::new(positions.clone())));
    }

    /// Hands a signal over; false if so much waits already that only events are taken.
    pub(super) fn signal(&self, signal: &Arc<LiveSignal>) -> bool {
        let size = signal.frame.len();
        let taken = self.waiting.load(Ordering::Relaxed) + size <= CAPACITY / 2;
        if taken {
            self.waiting.fetch_add(size, Ordering::Relaxed);
            let _ = self.sender.send(Delivery::Signal(signal.clone()));
            METRICS.delivered(Kind::Signal, 1);
        } else {
            METRICS.signals_dropped.inc();
        }
        taken
    }

    /// What waits.
    pub(super) fn queue(&self) -> Queue {
        Queue { bytes: self.waiting.load(Ordering::Relaxed), is_lagging: !self.missed_rooms().is_empty() }
    }

    /// Says how far a room's feed reaches.
    pub(super) fn head(&self, room: &RoomId, v: i64) {
        let _ = self.sender.send(Delivery::Head(room.clone(), v));
    }

    fn missed_rooms(&self) -> std::sync::MutexGuard<'_, HashSet<RoomId>> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inbox {
    /// An empty one.
    pub(super) fn new() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (waiting, overfull) = (AtomicUsize::new(0), AtomicBool::new(false));
        let outbox = Arc::new(Outbox { sender, waiting, overfull, missed: Mutex::default() });
        Self { receiver, outbox }
    }

    /// The hub's end.
    pub(super) fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// Waits for something to be there. Safe to cancel.
    pub(super) async fn next(&mut self) -> Option<Delivery> {
        let delivery = self.receiver.recv().await?;
        Some(self.taken(delivery))
    }

    /// What is there already.
    pub(super) fn try_next(&mut self) -> Option<Delivery> {
        let delivery = self.receiver.try_recv().ok()?;
        Some(self.taken(delivery))
    }

    fn taken(&self, delivery: Delivery) -> Delivery {
        match &delivery {
            Delivery::Event(event) => {
                self.outbox.waiting.fetch_sub(event.frame.len(), Ordering::Relaxed);
            }
            Delivery::Signal(signal) => {
                self.outbox.waiting.fetch_sub(signal.frame.len(), Ordering::Relaxed);
            }
            Delivery::Missed(room) => {
                self.outbox.missed_rooms().remove(room);
            }
            Delivery::News(frame) => {
                self.outbox.waiting.fetch_sub(frame.len(), Ordering::Relaxed);
            }
            Delivery::Head(..) | Delivery::AlarmsComplete(_) | Delivery::Overfull => {}
        }
        delivery
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(room: &str, v: i64, size: usize) -> Arc<LiveEvent> {
        Arc::new(LiveEvent { room: room.parse().unwrap(), v, frame: "x".repeat(size).into(), parts: None })
    }

    #[test]
    fn a_half_full_outbox_takes_events_only() {
        let mut inbox = Inbox::new();
        let signal = Arc::new(LiveSignal { room: "b.1".parse().unwrap(), frame: "x".repeat(10).into() });
        inbox.outbox().push(&event("b.1", 1, CAPACITY / 2 - 10));
        assert!(inbox.outbox().signal(&signal));
        assert!(!inbox.outbox().signal(&signal));
        inbox.outbox().push(&event("b.1", 2, 10));
        assert!(matches!(inbox.try_next(), Some(Delivery::Event(_))));
        assert!(matches!(inbox.try_next(), Some(Delivery::Signal(_))));
        assert!(inbox.outbox().signal(&signal));
    }

    #[test]
    fn news_find_room_where_events_do_not_but_not_for_ever() {
        let mut inbox = Inbox::new();
        inbox.outbox().push(&event("b.1", 1, CAPACITY));
        inbox.outbox().news(&"x".repeat(CAPACITY).into());
        inbox.outbox().news(&"x".into());
        inbox.outbox().news(&"x".into());
        assert!(matches!(inbox.try_next(), Some(Delivery::Event(_))));
        assert!(matches!(inbox.try_next(), Some(Delivery::News(_))));
        assert!(matches!(inbox.try_next(), Some(Delivery::Overfull)));
        assert!(inbox.try_next().is_none());
    }

    #[test]
    fn a_full_outbox_says_once_for_each_room_that_something_was_missed() {
        let mut inbox = Inbox::new();
        inbox.outbox().push(&event("b.1", 1, CAPACITY));
        for v in 2..9 {
            inbox.outbox().push(&event("b.1", v, 10));
            inbox.outbox().push(&event("b.2", v, 10));
        }
        assert!(matches!(inbox.try_next(), Some(Delivery::Event(event)) if event.v == 1));
        assert!(matches!(inbox.try_next(), Some(Delivery::Missed(room)) if room.to_string() == "b.1"));
        // there is room again, and what is missed from now on is said again
        inbox.outbox().push(&event("b.1", 9, CAPACITY));
        inbox.outbox().push(&event("b.1", 10, 10));
        assert!(matches!(inbox.try_next(), Some(Delivery::Missed(room)) if room.to_string() == "b.2"));
        assert!(matches!(inbox.try_next(), Some(Delivery::Event(event)) if event.v == 9));
        assert!(matches!(inbox.try_next(), Some(Delivery::Missed(room)) if room.to_string() == "b.1"));
        assert!(inbox.try_next().is_none());
    }
}
