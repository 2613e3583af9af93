//! The send queue of one connection: bounded in bytes, so that a slow client delays no other client.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use axum::extract::ws::Utf8Bytes;
use domain::RoomId;
use tokio::sync::mpsc;

use super::{live_event::LiveEvent, lobby_area::LobbyArea, sent_alarms::Positions};
use crate::metrics::{Kind, METRICS, Queue};

/// The capacity of a send queue in bytes.
const CAPACITY: usize = 256 * 1024;

/// A signal, encoded once and shared by all followers of the room.
#[derive(Debug)]
pub(super) struct LiveSignal {
    pub(super) room: RoomId,
    pub(super) frame: Utf8Bytes,
}

/// An item of a send queue.
#[derive(Debug)]
pub(super) enum Delivery {
    /// An event of a room.
    Event(Arc<LiveEvent>),
    /// A signal of a room.
    Signal(Arc<LiveSignal>),
    /// A frame about the user, which does not depend on followed rooms.
    UserFrame(Utf8Bytes),
    /// A frame about an area of the lobby.
    Lobby(Arc<LobbyArea>, Utf8Bytes),
    /// Marks that all alarms up to these positions precede it.
    AlarmsComplete(Arc<Positions>),
    /// Marks that a frame about the user exceeded the capacity.
    Overflow,
    /// The head version of a room's feed. A connection that has not reached it has lost events.
    Head(RoomId, i64),
    /// Marks that events of a room exceeded the capacity. They must be read from the feed.
    Missed(RoomId),
    /// Asks to check again whether the connection may continue.
    Check,
}

/// The sending end of a connection's send queue. The channels of all rooms that the connection follows hold it.
#[derive(Debug)]
pub(super) struct SendQueue {
    sender: mpsc::UnboundedSender<Delivery>,
    waiting: AtomicUsize,
    /// True once `Overflow` was sent.
    overflowed: AtomicBool,
    /// True while there is a `Check` in the queue.
    is_checking: AtomicBool,
    /// The rooms with a `Missed` in the queue, which has at most one for each room.
    missed: Mutex<HashSet<RoomId>>,
}

/// The receiving end, held by the connection.
#[derive(Debug)]
pub(super) struct SendQueueReceiver {
    receiver: mpsc::UnboundedReceiver<Delivery>,
    send_queue: Arc<SendQueue>,
}

impl SendQueue {
    /// Queues an event, or marks its room as missed if the queue is full. Never waits.
    pub(super) fn push(&self, event: &Arc<LiveEvent>) {
        let size = event.size();
        if self.waiting.load(Ordering::Relaxed) + size <= CAPACITY {
            self.waiting.fetch_add(size, Ordering::Relaxed);
            // Fails if the connection has just closed.
            let _ = self.sender.send(Delivery::Event(event.clone()));
        } else if self.missed_rooms().insert(event.room.clone()) {
            METRICS.lagging.inc();
            let _ = self.sender.send(Delivery::Missed(event.room.clone()));
        }
    }

    /// Queues a frame about the user, see [`SendQueue::push_or_end`].
    pub(super) fn push_user_frame(&self, frame: &Utf8Bytes) {
        self.push_or_end(frame.len(), Delivery::UserFrame(frame.clone()));
    }

    /// Queues a frame about an area of the lobby, see [`SendQueue::push_or_end`].
    pub(super) fn push_lobby(&self, area: &Arc<LobbyArea>, frame: &Utf8Bytes) {
        self.push_or_end(frame.len(), Delivery::Lobby(area.clone(), frame.clone()));
    }

    /// Queues a frame of this size, up to twice the capacity. No feed has these frames, so that the connection must end
    /// if the queue is still too full.
    fn push_or_end(&self, size: usize, delivery: Delivery) {
        if self.waiting.load(Ordering::Relaxed) + size <= CAPACITY * 2 {
            self.waiting.fetch_add(size, Ordering::Relaxed);
            let _ = self.sender.send(delivery);
            METRICS.delivered(Kind::UserFrame, 1);
        } else if !self.overflowed.swap(true, Ordering::Relaxed) {
            let _ = self.sender.send(Delivery::Overflow);
        }
    }

    /// Queues the positions up to which all alarms have been queued.
    pub(super) fn alarms_complete(&self, positions: &Positions) {
        let _ = self.sender.send(Delivery::AlarmsComplete(Arc::new(positions.clone())));
    }

    /// Queues a signal, up to half of the capacity. Returns false if the queue is too full.
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

    /// Returns the state of the queue, for metrics.
    pub(super) fn queue(&self) -> Queue {
        Queue { bytes: self.waiting.load(Ordering::Relaxed), is_lagging: !self.missed_rooms().is_empty() }
    }

    /// Queues the head version of a room's feed.
    pub(super) fn head(&self, room: &RoomId, v: i64) {
        let _ = self.sender.send(Delivery::Head(room.clone(), v));
    }

    /// Asks the connection to check whether it may continue.
    pub(super) fn check(&self) {
        if !self.is_checking.swap(true, Ordering::AcqRel) {
            let _ = self.sender.send(Delivery::Check);
        }
    }

    fn missed_rooms(&self) -> std::sync::MutexGuard<'_, HashSet<RoomId>> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SendQueueReceiver {
    /// Creates an empty queue.
    pub(super) fn new() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let send_queue = Arc::new(SendQueue {
            sender,
            waiting: AtomicUsize::new(0),
            overflowed: AtomicBool::new(false),
            is_checking: AtomicBool::new(false),
            missed: Mutex::default(),
        });
        Self { receiver, send_queue }
    }

    /// Returns the sending end.
    pub(super) fn send_queue(&self) -> &Arc<SendQueue> {
        &self.send_queue
    }

    /// Waits for the next item. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Delivery> {
        let delivery = self.receiver.recv().await?;
        Some(self.release(delivery))
    }

    /// Returns the next item if there is one already.
    pub(super) fn try_next(&mut self) -> Option<Delivery> {
        let delivery = self.receiver.try_recv().ok()?;
        Some(self.release(delivery))
    }

    fn release(&self, delivery: Delivery) -> Delivery {
        match &delivery {
            Delivery::Event(event) => {
                self.send_queue.waiting.fetch_sub(event.size(), Ordering::Relaxed);
            }
            Delivery::Signal(signal) => {
                self.send_queue.waiting.fetch_sub(signal.frame.len(), Ordering::Relaxed);
            }
            Delivery::Missed(room) => {
                self.send_queue.missed_rooms().remove(room);
            }
            Delivery::UserFrame(frame) | Delivery::Lobby(_, frame) => {
                self.send_queue.waiting.fetch_sub(frame.len(), Ordering::Relaxed);
            }
            Delivery::Check => self.send_queue.is_checking.store(false, Ordering::Release),
            Delivery::Head(..) | Delivery::AlarmsComplete(_) | Delivery::Overflow => {}
        }
        delivery
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(room: &str, v: i64, size: usize) -> Arc<LiveEvent> {
        let frame = "x".repeat(size).into();
        Arc::new(LiveEvent { room: room.parse().unwrap(), v, frame, sender_frame: None, ends: None })
    }

    #[test]
    fn the_larger_frame_of_an_event_counts() {
        let mut deliveries = SendQueueReceiver::new();
        let sender_frame = Some(("ana".parse().unwrap(), "x".repeat(CAPACITY).into()));
        let (room, frame) = ("b.1".parse().unwrap(), "x".into());
        deliveries.send_queue().push(&Arc::new(LiveEvent { room, v: 1, frame, sender_frame, ends: None }));
        assert_eq!(deliveries.send_queue().queue().bytes, CAPACITY);
        assert!(matches!(deliveries.try_next(), Some(Delivery::Event(_))));
        assert_eq!(deliveries.send_queue().queue().bytes, 0);
    }

    #[test]
    fn a_half_full_queue_accepts_only_events() {
        let mut deliveries = SendQueueReceiver::new();
        let signal = Arc::new(LiveSignal { room: "b.1".parse().unwrap(), frame: "x".repeat(10).into() });
        deliveries.send_queue().push(&event("b.1", 1, CAPACITY / 2 - 10));
        assert!(deliveries.send_queue().signal(&signal));
        assert!(!deliveries.send_queue().signal(&signal));
        deliveries.send_queue().push(&event("b.1", 2, 10));
        assert!(matches!(deliveries.try_next(), Some(Delivery::Event(_))));
        assert!(matches!(deliveries.try_next(), Some(Delivery::Signal(_))));
        assert!(deliveries.send_queue().signal(&signal));
    }

    #[test]
    fn notifications_may_exceed_the_capacity_of_events_up_to_a_limit() {
        let mut deliveries = SendQueueReceiver::new();
        deliveries.send_queue().push(&event("b.1", 1, CAPACITY));
        deliveries.send_queue().push_user_frame(&"x".repeat(CAPACITY).into());
        deliveries.send_queue().push_user_frame(&"x".into());
        deliveries.send_queue().push_user_frame(&"x".into());
        assert!(matches!(deliveries.try_next(), Some(Delivery::Event(_))));
        assert!(matches!(deliveries.try_next(), Some(Delivery::UserFrame(_))));
        assert!(matches!(deliveries.try_next(), Some(Delivery::Overflow)));
        assert!(deliveries.try_next().is_none());
    }

    #[test]
    fn a_full_queue_reports_missed_events_once_for_each_room() {
        let mut deliveries = SendQueueReceiver::new();
        deliveries.send_queue().push(&event("b.1", 1, CAPACITY));
        for v in 2..9 {
            deliveries.send_queue().push(&event("b.1", v, 10));
            deliveries.send_queue().push(&event("b.2", v, 10));
        }
        assert!(matches!(deliveries.try_next(), Some(Delivery::Event(event)) if event.v == 1));
        assert!(matches!(deliveries.try_next(), Some(Delivery::Missed(room)) if room.to_string() == "b.1"));
        // There is space again, and further missed events are marked again.
        deliveries.send_queue().push(&event("b.1", 9, CAPACITY));
        deliveries.send_queue().push(&event("b.1", 10, 10));
        assert!(matches!(deliveries.try_next(), Some(Delivery::Missed(room)) if room.to_string() == "b.2"));
        assert!(matches!(deliveries.try_next(), Some(Delivery::Event(event)) if event.v == 9));
        assert!(matches!(deliveries.try_next(), Some(Delivery::Missed(room)) if room.to_string() == "b.1"));
        assert!(deliveries.try_next().is_none());
    }
}
