//! One connected user, with all their connections.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{RoomId, UserId};
use tokio::{sync::watch, task::JoinHandle, time::Instant};

use crate::live::{
    alarms::Alarm,
    frames::ServerFrame,
    my_rooms::{MyRoom, MyRooms},
    outbox::Outbox,
    seen::{Positions, Seen},
};
use crate::metrics::{METRICS, Queue};

/// A connected user; goes away with the last connection.
pub(super) struct Person {
    id: UserId,
    state: Mutex<State>,
    listening: watch::Receiver<bool>,
    listener: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct State {
    connected: Vec<Connected>,
    rooms: MyRooms,
    /// When the rooms were read the last time.
    read_at: Option<Instant>,
}

/// One connection, and what it was told.
struct Connected {
    outbox: Arc<Outbox>,
    alarms: Seen,
}

impl Person {
    pub(super) fn new(id: UserId, listening: watch::Receiver<bool>) -> Self {
        Self { id, state: Mutex::default(), listening, listener: Mutex::default() }
    }

    pub(super) fn id(&self) -> &UserId {
        &self.id
    }

    /// Which task hears this person's alarms.
    pub(super) fn is_listened_for(&self, listener: JoinHandle<()>) {
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
    }

    /// Becomes true when this person's alarms are heard.
    pub(super) fn listening(&self) -> watch::Receiver<bool> {
        self.listening.clone()
    }

    /// One more connection, which has these alarms already. False if the person's rooms have yet to be read.
    pub(super) fn join(&self, outbox: &Arc<Outbox>, alarms: Seen) -> bool {
        let mut state = self.state();
        let rooms = state.rooms.frame();
        if let Some(frame) = &rooms {
            outbox.news(frame);
        }
        state.connected.push(Connected { outbox: outbox.clone(), alarms });
        rooms.is_some()
    }

    /// One connection less; false if it was the last one, with which the person goes.
    pub(super) fn leave(&self, outbox: &Arc<Outbox>) -> bool {
        let mut state = self.state();
        state.connected.retain(|connected| !Arc::ptr_eq(&connected.outbox, outbox));
        let stays = !state.connected.is_empty();
        if !stays && let Some(listener) = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take() {
            listener.abort();
        }
        stays
    }

    /// After which positions somebody's alarms have to be read, when the streams have come this far.
    pub(super) fn floor(&self, positions: &Positions) -> Option<Positions> {
        let mut floor: Option<BTreeMap<String, i64>> = None;
        for Connected { outbox, alarms } in &mut self.state().connected {
            if !alarms.prove(positions) {
                METRICS.resets.inc();
                outbox.news(&ServerFrame::Reset { room: None, reason: "unknown-cursor", head_v: None }.encode());
            }
            for (stream, position) in alarms.floor().into_iter().flatten() {
                let lowest = floor.get_or_insert_default().entry(stream.clone()).or_insert(*position);
                *lowest = (*lowest).min(*position);
            }
        }
        floor
    }

    /// Tells an alarm to every connection that was not told yet.
    pub(super) fn tell(&self, alarm: &Alarm) {
        let (key, mut frame) = (alarm.key(), None);
        for connected in &mut self.state().connected {
            if connected.alarms.is_news(&key) {
                connected.outbox.news(frame.get_or_insert_with(|| alarm.frame()));
            }
        }
    }

    /// Every connection has been told all alarms up to these positions.
    pub(super) fn complete(&self, positions: &Positions) {
        for Connected { outbox, alarms } in &mut self.state().connected {
            outbox.alarms_complete(alarms.complete(positions));
        }
    }

    /// The rooms that were told.
    pub(super) fn rooms(&self) -> Vec<RoomId> {
        self.state().rooms.rooms().cloned().collect()
    }

    /// Tells every connection what is different in the rooms.
    pub(super) fn tell_rooms(&self, read: Vec<MyRoom>) {
        let mut state = self.state();
        for frame in state.rooms.update(read) {
            for connected in &state.connected {
                connected.outbox.news(&frame);
            }
        }
        state.read_at = Some(Instant::now());
    }

    /// When the rooms were read the last time.
    pub(super) fn rooms_read_at(&self) -> Option<Instant> {
        self.state().read_at
    }

    /// What waits for each connection.
    pub(super) fn queues(&self) -> Vec<Queue> {
        self.state().connected.iter().map(|connected| connected.outbox.queue()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
