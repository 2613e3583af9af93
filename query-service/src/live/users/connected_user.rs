//! One connected user, with all connections of this user.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::extract::ws::Utf8Bytes;
use domain::{MessageId, RoomId, UserId};
use tokio::time::Instant;

use crate::alarm_summary::Unread;
use crate::live::{
    alarms::{Alarm, AlarmItem},
    frames::ServerFrame,
    my_rooms::{Counted, MyRoom, MyRooms},
    send_queue::SendQueue,
    sent_alarms::{Positions, SentAlarms},
    unread::RecentFacts,
};
use crate::metrics::{METRICS, Queue};

/// A connected user. Removed with the last connection.
pub(super) struct ConnectedUser {
    id: UserId,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connected: Vec<UserConnection>,
    rooms: MyRooms,
    /// The time of the last read of the alarms.
    alarms_read_at: Option<Instant>,
    /// The users that the user has blocked; none before the first read.
    blocked: Option<BTreeSet<UserId>>,
}

/// One connection, and the alarms that it has received.
struct UserConnection {
    send_queue: Arc<SendQueue>,
    alarms: SentAlarms,
    /// The last number of unread alarms that was sent; none if alarms were sent since.
    unread: Option<i64>,
    /// True if the running read of alarms begins early enough for this connection.
    is_covered: bool,
}

impl ConnectedUser {
    pub(super) fn new(id: UserId) -> Self {
        Self { id, state: Mutex::default() }
    }

    pub(super) fn id(&self) -> &UserId {
        &self.id
    }

    /// Adds a connection, which has these alarms already. Returns false if the user's rooms were not read yet.
    pub(super) fn join(&self, send_queue: &Arc<SendQueue>, alarms: SentAlarms) -> bool {
        let mut state = self.state();
        let rooms = state.rooms.frame();
        if let Some(frame) = &rooms {
            send_queue.push_user_frame(frame);
        }
        if let Some(frame) = state.blocked.as_ref().filter(|blocked| !blocked.is_empty()).map(blocks_frame) {
            send_queue.push_user_frame(&frame);
        }
        state.connected.push(UserConnection {
            send_queue: send_queue.clone(),
            alarms,
            unread: None,
            is_covered: false,
        });
        rooms.is_some()
    }

    /// Removes a connection. Returns false if it was the last one.
    pub(super) fn leave(&self, send_queue: &Arc<SendQueue>) -> bool {
        let mut state = self.state();
        state.connected.retain(|connected| !Arc::ptr_eq(&connected.send_queue, send_queue));
        !state.connected.is_empty()
    }

    /// Asks the connections to check whether they may continue.
    pub(super) fn check(&self) {
        self.state().connected.iter().for_each(|connected| connected.send_queue.check());
    }

    /// Begins a read of alarms for the present connections. Later ones may know positions that the read does not.
    pub(super) fn begin_read(&self) {
        self.state().connected.iter_mut().for_each(|connected| connected.is_covered = true);
    }

    /// Returns the positions after which alarms must be read. Resets connections whose claim is beyond `positions`.
    pub(super) fn floor(&self, positions: &Positions) -> Option<Positions> {
        let mut floor: Option<BTreeMap<String, i64>> = None;
        let mut state = self.state();
        let covered = state.connected.iter_mut().filter(|connected| connected.is_covered);
        for UserConnection { send_queue, alarms, .. } in covered {
            if !alarms.verify_claim(positions) {
                METRICS.resets.inc();
                send_queue.push_user_frame(
                    &ServerFrame::Reset { room_id: None, reason: "unknown-cursor", head_v: None }.encode(),
                );
            }
            for (stream, position) in alarms.floor().into_iter().flatten() {
                let lowest = floor.get_or_insert_default().entry(stream.clone()).or_insert(*position);
                *lowest = (*lowest).min(*position);
            }
        }
        floor
    }

    /// Returns true if an alarm must be read, because the user may have blocked another user who caused it.
    pub(super) fn may_have_blocked(&self, alarm: &Alarm) -> bool {
        self.state().blocked.as_ref().is_none_or(|blocked| alarm.may_be_of(blocked))
    }

    /// Sends the blocked users to the connections if they have changed.
    pub(super) fn set_blocked(&self, blocked: BTreeSet<UserId>) {
        let mut state = self.state();
        if state.blocked.as_ref().map_or(blocked.is_empty(), |known| *known == blocked) {
            state.blocked = Some(blocked);
            return;
        }
        state.send(&[blocks_frame(&blocked)]);
        state.blocked = Some(blocked);
    }

    /// Sends an item to every connection that has not received it.
    pub(super) fn send_alarm(&self, item: &AlarmItem) {
        let (change, mut frame) = (item.change(), None);
        for connected in &mut self.state().connected {
            if connected.alarms.mark_sent(&change) {
                connected.send_queue.push_user_frame(frame.get_or_insert_with(|| item.frame()));
                connected.unread = None;
            }
        }
    }

    /// Marks all alarms up to these positions as sent to every connection, except those that came during the read.
    /// Sends the number of unread alarms to those that have received another one, or alarms.
    pub(super) fn complete(&self, positions: &Positions, unread: &Unread, up_to: Option<&str>) {
        let mut state = self.state();
        let (count, mut frame) = (unread.count, None);
        for connected in state.connected.iter_mut().filter(|connected| connected.is_covered) {
            if connected.unread.replace(count) != Some(count) {
                let frame = frame.get_or_insert_with(|| ServerFrame::Alarms { unread: count, up_to }.encode());
                connected.send_queue.push_user_frame(frame);
            }
            connected.send_queue.alarms_complete(connected.alarms.complete(positions));
        }
        state.alarms_read_at = Some(Instant::now());
    }

    /// Returns the time of the last read of the alarms.
    pub(super) fn alarms_read_at(&self) -> Option<Instant> {
        self.state().alarms_read_at
    }

    /// Returns the rooms that were sent.
    pub(super) fn rooms(&self) -> Vec<RoomId> {
        self.state().rooms.rooms().cloned().collect()
    }

    /// Sends the changes of the rooms to every connection. Returns whether all counts are exact.
    pub(super) fn send_rooms<'a>(
        &self,
        read: Vec<MyRoom>,
        recent: impl Fn(&RoomId) -> Option<&'a RecentFacts>,
        now: Instant,
    ) -> bool {
        let mut state = self.state();
        let (frames, is_exact) = state.rooms.update(&self.id, read, recent, now);
        state.send(&frames);
        is_exact
    }

    /// Counts a room on after new facts.
    pub(super) fn follow(&self, room: &RoomId, recent: &RecentFacts, now: Instant) -> Counted {
        let mut state = self.state();
        let counted = state.rooms.follow(&self.id, room, recent, now);
        state.send_counted(counted)
    }

    /// Moves the read marker of a room.
    pub(super) fn mark(
        &self,
        room: &RoomId,
        message_id: MessageId,
        recent: Option<&RecentFacts>,
        now: Instant,
    ) -> Counted {
        let mut state = self.state();
        let counted = state.rooms.mark(&self.id, room, message_id, recent, now);
        state.send_counted(counted)
    }

    /// Sends the counts that are due. Returns the time at which the next one is.
    pub(super) fn send_due_counts(&self, now: Instant) -> Option<Instant> {
        let mut state = self.state();
        let (frames, next) = state.rooms.take_due(now);
        state.send(&frames);
        next
    }

    /// Forgets the counts, which the next read replaces.
    pub(super) fn forget_counts(&self) {
        self.state().rooms.forget_counts();
    }

    /// Returns the state of each connection's send queue.
    pub(super) fn queues(&self) -> Vec<Queue> {
        self.state().connected.iter().map(|connected| connected.send_queue.queue()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Sends frames to every connection.
    fn send(&self, frames: &[Utf8Bytes]) {
        for frame in frames {
            for connected in &self.connected {
                connected.send_queue.push_user_frame(frame);
            }
        }
    }

    fn send_counted(&self, counted: Counted) -> Counted {
        if let Counted::Frame(frame) = &counted {
            self.send(std::slice::from_ref(frame));
        }
        counted
    }
}

fn blocks_frame(blocked: &BTreeSet<UserId>) -> Utf8Bytes {
    ServerFrame::Blocks { users: blocked }.encode()
}
