//! The connected users, and the times at which their data must be read.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use domain::{MessageId, RoomId, UserId};
use serde::Deserialize;
use tokio::time::Instant;

use super::ConnectedUser;
use crate::live::{
    my_rooms::{Counted, MyRoom},
    send_queue::SendQueue,
    sent_alarms::SentAlarms,
    unread::{CountFact, MAX_RECENT, RecentFacts},
};

/// The minimum time between two reads of a user's unread alarms because of other users.
const UNREAD_INTERVAL: Duration = Duration::from_secs(1);

/// A change of users' own view of a room, from a notification. With versions: new facts for the counts of all members.
/// With a user and a message: a read marker. With a user only: a membership.
#[derive(Debug, Deserialize)]
pub(in crate::live) struct RoomChange {
    room_id: RoomId,
    user_id: Option<UserId>,
    message_id: Option<MessageId>,
    after_v: Option<i64>,
    v: Option<i64>,
    #[serde(default)]
    facts: Vec<CountFact>,
}

impl RoomChange {
    /// Returns the room and the reader of a marker.
    pub(super) fn marker(&self) -> Option<(&RoomId, &UserId)> {
        self.message_id.is_some().then_some(&self.room_id).zip(self.user_id.as_ref())
    }
}

/// A room with connected members.
#[derive(Default)]
struct OccupiedRoom {
    /// The connected members, as far as their rooms were sent.
    members: HashSet<UserId>,
    /// The recent facts; none before the first notification.
    recent: Option<RecentFacts>,
}

/// The connected users.
#[derive(Default)]
pub(super) struct ConnectedUsers {
    users: HashMap<UserId, Arc<ConnectedUser>>,
    occupied: HashMap<RoomId, OccupiedRoom>,
    /// Users whose alarms may have been missed, or are counted.
    alarms: Schedule,
    /// Users whose rooms may have changed.
    rooms: Schedule,
    /// Users with unread counts to send.
    counts: Schedule,
}

impl ConnectedUsers {
    /// Adds a connection of a user, and the user with the first one.
    pub(super) fn join(&mut self, user: &UserId, send_queue: &Arc<SendQueue>, alarms: SentAlarms) {
        let connected_user =
            self.users.entry(user.clone()).or_insert_with(|| Arc::new(ConnectedUser::new(user.clone())));
        let now = Instant::now();
        if !connected_user.join(send_queue, alarms) {
            self.rooms.at(user, now);
        }
        self.alarms.at(user, now);
    }

    /// Removes a connection of a user, and the user with the last one.
    pub(super) fn leave(&mut self, user: &UserId, send_queue: &Arc<SendQueue>) {
        if self.users.get(user).is_some_and(|connected_user| !connected_user.leave(send_queue))
            && let Some(connected_user) = self.users.remove(user)
        {
            self.remove_members(&connected_user, connected_user.rooms());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Returns a connected user.
    pub(super) fn get(&self, user: &UserId) -> Option<Arc<ConnectedUser>> {
        self.users.get(user).cloned()
    }

    /// Returns all connected users.
    pub(super) fn users(&self) -> impl Iterator<Item = &Arc<ConnectedUser>> {
        self.users.values()
    }

    /// Applies changes: counts, moves markers, and schedules reads of what cannot be computed.
    pub(super) fn apply_changes(&mut self, changes: Vec<RoomChange>, now: Instant) {
        for change in changes {
            let RoomChange { room_id, user_id, message_id, after_v, v, facts } = change;
            match (user_id, message_id, after_v, v) {
                (Some(user), Some(message_id), ..) => self.mark(&room_id, &user, message_id, now),
                (Some(user), None, ..) if self.users.contains_key(&user) => self.rooms.at(&user, now),
                (None, _, Some(after_v), Some(v)) => self.count(&room_id, after_v, v, facts, now),
                _ => {}
            }
        }
    }

    fn mark(&mut self, room_id: &RoomId, user: &UserId, message_id: MessageId, now: Instant) {
        let Some(connected_user) = self.users.get(user) else { return };
        let recent = self.occupied.get(room_id).and_then(|occupied| occupied.recent.as_ref());
        if connected_user.mark(room_id, message_id, recent, now) == Counted::Unknown {
            self.rooms.at(user, now);
        }
    }

    fn count(&mut self, room_id: &RoomId, after_v: i64, v: i64, facts: Vec<CountFact>, now: Instant) {
        let Some(occupied) = self.occupied.get_mut(room_id) else { return };
        let recent = occupied.recent.get_or_insert_with(|| RecentFacts::after(after_v));
        recent.add(after_v, v, facts);
        for user in &occupied.members {
            let Some(connected_user) = self.users.get(user) else { continue };
            match connected_user.follow(room_id, recent, now) {
                Counted::Unchanged | Counted::Frame(_) => {}
                Counted::Due(due_at) => self.counts.at(user, due_at),
                Counted::Unknown => self.rooms.at(user, now),
            }
        }
        recent.trim(MAX_RECENT);
    }

    /// Sends the unread counts that are due.
    pub(super) fn send_due_counts(&mut self, now: Instant) {
        let due: Vec<UserId> = self.counts.take(now).collect();
        for user in due {
            if let Some(next) = self.users.get(&user).and_then(|connected_user| connected_user.send_due_counts(now)) {
                self.counts.at(&user, next);
            }
        }
    }

    /// Forgets all counts, because they may come from another log. Schedules reads for all users.
    pub(super) fn forget_counts(&mut self, now: Instant) {
        self.occupied.values_mut().for_each(|occupied| occupied.recent = None);
        self.users.values().for_each(|connected_user| connected_user.forget_counts());
        self.mark_all_stale(now);
    }

    /// Schedules a read of the unread count of a user who was alarmed, at most once per [`UNREAD_INTERVAL`].
    pub(super) fn schedule_unread_alarms(&mut self, connected_user: &ConnectedUser, now: Instant) {
        let read_at = connected_user.alarms_read_at();
        self.alarms.at(connected_user.id(), read_at.map_or(now, |read_at| now.max(read_at + UNREAD_INTERVAL)));
    }

    /// Schedules reads for all users, because any notification may have been missed.
    pub(super) fn mark_all_stale(&mut self, now: Instant) {
        for user in self.users.keys() {
            self.alarms.at(user, now);
            self.rooms.at(user, now);
        }
    }

    /// Schedules reads of these users' alarms.
    pub(super) fn mark_alarms_stale<'a>(&mut self, users: impl IntoIterator<Item = &'a UserId>, when: Instant) {
        users.into_iter().for_each(|user| self.alarms.at(user, when));
    }

    /// Schedules reads of these users' rooms.
    pub(super) fn mark_rooms_stale<'a>(&mut self, users: impl IntoIterator<Item = &'a UserId>, when: Instant) {
        users.into_iter().for_each(|user| self.rooms.at(user, when));
    }

    /// Takes the users whose alarms must be read now.
    pub(super) fn take_stale_alarms(&mut self, now: Instant) -> Vec<Arc<ConnectedUser>> {
        self.alarms.take(now).filter_map(|user| self.users.get(&user).cloned()).collect()
    }

    /// Takes the users whose rooms must be read now.
    pub(super) fn take_stale_rooms(&mut self, now: Instant) -> Vec<Arc<ConnectedUser>> {
        self.rooms.take(now).filter_map(|user| self.users.get(&user).cloned()).collect()
    }

    /// Sends a user the changes of the rooms, and records the rooms that the user is a member of.
    pub(super) fn send_rooms(&mut self, connected_user: &Arc<ConnectedUser>, read: Vec<MyRoom>) {
        // Skips a user who has disconnected and connected again since the read.
        if !self.users.get(connected_user.id()).is_some_and(|known| Arc::ptr_eq(known, connected_user)) {
            return;
        }
        let (former, now) = (connected_user.rooms(), Instant::now());
        let recent = |room: &RoomId| self.occupied.get(room).and_then(|occupied| occupied.recent.as_ref());
        if !connected_user.send_rooms(read, recent, now) {
            self.rooms.at(connected_user.id(), now);
        }
        let rooms = connected_user.rooms();
        self.remove_members(connected_user, former.into_iter().filter(|room| !rooms.contains(room)));
        for room in rooms {
            let occupied = self.occupied.entry(room);
            // Facts between the read and now were not kept for a room without members here.
            if matches!(occupied, Entry::Vacant(_)) {
                self.rooms.at(connected_user.id(), now);
            }
            occupied.or_default().members.insert(connected_user.id().clone());
        }
    }

    fn remove_members(&mut self, connected_user: &ConnectedUser, rooms: impl IntoIterator<Item = RoomId>) {
        for room in rooms {
            if let Some(occupied) = self.occupied.get_mut(&room) {
                occupied.members.remove(connected_user.id());
                if occupied.members.is_empty() {
                    self.occupied.remove(&room);
                }
            }
        }
    }
}

/// Users with the times at which their data is due.
#[derive(Default)]
struct Schedule(HashMap<UserId, Instant>);

impl Schedule {
    /// Schedules a user, unless an earlier time is scheduled already.
    fn at(&mut self, user: &UserId, when: Instant) {
        let due_at = self.0.entry(user.clone()).or_insert(when);
        *due_at = when.min(*due_at);
    }

    /// Takes the users who are due.
    fn take(&mut self, now: Instant) -> impl Iterator<Item = UserId> {
        self.0.extract_if(move |_, due_at| *due_at <= now).map(|(user, _)| user)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::{
        alarm_summary::Unread,
        live::{
            send_queue::{Delivery, SendQueueReceiver},
            sent_alarms::Positions,
        },
    };

    const UNREAD_INTERVAL: Duration = Duration::from_secs(1);

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    fn joined(present: &mut ConnectedUsers, name: &str) -> SendQueueReceiver {
        let deliveries = SendQueueReceiver::new();
        present.join(&user(name), deliveries.send_queue(), SentAlarms::default());
        deliveries
    }

    fn whose(present: &mut ConnectedUsers, now: Instant) -> Vec<String> {
        let mut names: Vec<_> =
            present.take_stale_rooms(now).iter().map(|connected_user| connected_user.id().to_string()).collect();
        names.sort();
        names
    }

    fn read(present: &mut ConnectedUsers, name: &str, v: i64, unread: i64) {
        let connected_user = present.users[&user(name)].clone();
        present.send_rooms(&connected_user, vec![MyRoom::inside("b.1", v, unread)]);
    }

    fn changed(present: &mut ConnectedUsers, change: Value, now: Instant) {
        present.apply_changes(vec![serde_json::from_value(change).unwrap()], now);
    }

    /// The notification of a message with this version.
    fn posted(v: i64, author: &str) -> Value {
        let facts = json!([{ "v": v, "message_id": (100 + v).to_string(), "author": author }]);
        json!({ "room_id": "b.1", "after_v": v - 1, "v": v, "facts": facts })
    }

    fn frames(deliveries: &mut SendQueueReceiver) -> Vec<String> {
        std::iter::from_fn(|| deliveries.try_next())
            .map(|next| match next {
                Delivery::UserFrame(frame) => frame.to_string(),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn unread(unread: i64) -> String {
        format!(r#"{{"type":"unread","room_id":"b.1","unread":{unread}}}"#)
    }

    #[test]
    fn counts_are_sent_once_a_second_and_markers_at_once() {
        let mut present = ConnectedUsers::default();
        let [mut ana, mut ben] = ["ana", "ben"].map(|name| joined(&mut present, name));
        let start = Instant::now();
        assert_eq!(whose(&mut present, start), ["ana", "ben"], "they are new");
        for name in ["ana", "ben"] {
            read(&mut present, name, 7, 1);
        }
        assert_eq!(whose(&mut present, Instant::now()), ["ana"], "facts before the first read were not kept");
        for deliveries in [&mut ana, &mut ben] {
            assert_eq!(frames(deliveries), [r#"{"type":"my_rooms","rooms":{"b.1":{"unread":1}}}"#]);
        }
        for v in 8..=10 {
            changed(&mut present, posted(v, "ben"), start);
        }
        assert_eq!(frames(&mut ana), [unread(2)]);
        present.send_due_counts(start + UNREAD_INTERVAL / 2);
        assert!(frames(&mut ana).is_empty(), "one was sent less than a second ago");
        present.send_due_counts(start + UNREAD_INTERVAL);
        assert_eq!(frames(&mut ana), [unread(4)]);
        changed(&mut present, json!({ "room_id": "b.1", "user_id": "ana", "message_id": "109" }), start);
        assert_eq!(frames(&mut ana), [unread(1)], "from the recent facts");
        changed(&mut present, json!({ "room_id": "b.1", "user_id": "ana", "message_id": "110" }), start);
        assert_eq!(frames(&mut ana), [unread(0)]);
        assert!(frames(&mut ben).is_empty(), "the messages are ben's own");
        assert!(whose(&mut present, start + UNREAD_INTERVAL).is_empty(), "the database is not needed");
    }

    #[test]
    fn a_room_is_read_after_a_gap_or_a_change_of_a_membership() {
        let mut present = ConnectedUsers::default();
        let mut deliveries = ["ana", "ben", "cem"].map(|name| joined(&mut present, name));
        let start = Instant::now();
        assert_eq!(whose(&mut present, start), ["ana", "ben", "cem"], "they are new");
        read(&mut present, "ana", 7, 1);
        read(&mut present, "ben", 8, 1);
        frames(&mut deliveries[0]);
        changed(&mut present, posted(9, "cem"), start);
        assert_eq!(whose(&mut present, start), ["ana"], "version 8 is missing, and cem is not a member");
        assert!(frames(&mut deliveries[0]).is_empty());
        read(&mut present, "ana", 8, 2);
        assert_eq!(frames(&mut deliveries[0]), [unread(3)], "the later fact is known");
        for unknown in [json!({ "room_id": "b.1" }), json!({ "room_id": "b.1", "v": 3, "more": {} })] {
            changed(&mut present, unknown, start);
        }
        changed(&mut present, json!({ "room_id": "b.1", "user_id": "stranger" }), start);
        assert!(whose(&mut present, start).is_empty());
        changed(&mut present, json!({ "room_id": "b.1", "user_id": "ben" }), start);
        assert_eq!(whose(&mut present, start), ["ben"]);
        changed(&mut present, json!({ "room_id": "b.1", "user_id": "ana", "message_id": "5" }), start);
        assert_eq!(whose(&mut present, start), ["ana"], "the messages after the marker are not known");
    }

    #[test]
    fn counts_of_another_log_replace_later_ones() {
        let mut present = ConnectedUsers::default();
        let mut ana = joined(&mut present, "ana");
        read(&mut present, "ana", 7, 5);
        changed(&mut present, posted(8, "ben"), Instant::now());
        read(&mut present, "ana", 3, 1);
        assert_eq!(frames(&mut ana)[1..], [unread(6)], "the read is older");
        present.forget_counts(Instant::now());
        read(&mut present, "ana", 3, 1);
        assert_eq!(frames(&mut ana), [unread(1)]);
    }

    #[test]
    fn a_disconnected_user_is_removed() {
        let mut present = ConnectedUsers::default();
        let (first, second) = (joined(&mut present, "ana"), joined(&mut present, "ana"));
        read(&mut present, "ana", 7, 1);
        present.leave(&user("ana"), first.send_queue());
        assert_eq!((present.users.len(), present.occupied.len()), (1, 1));
        present.leave(&user("ana"), second.send_queue());
        assert_eq!((present.users.len(), present.occupied.len()), (0, 0));
        assert!(whose(&mut present, Instant::now()).is_empty());
    }

    #[test]
    fn a_read_of_alarms_covers_only_connections_that_came_before_it() {
        let mut present = ConnectedUsers::default();
        let mut first = joined(&mut present, "ana");
        let connected_user = present.users[&user("ana")].clone();
        let read = || connected_user.complete(&Positions::new(), &Unread::default(), None);
        connected_user.begin_read();
        connected_user.floor(&Positions::new());
        let mut second = joined(&mut present, "ana");
        read();
        assert!(matches!(first.try_next(), Some(Delivery::UserFrame(_))));
        assert!(second.try_next().is_none());
        connected_user.begin_read();
        connected_user.floor(&Positions::new());
        read();
        assert!(matches!(second.try_next(), Some(Delivery::UserFrame(_))));
    }

    #[test]
    fn a_second_connection_receives_the_state_of_the_first() {
        let mut present = ConnectedUsers::default();
        let mut first = joined(&mut present, "ana");
        read(&mut present, "ana", 7, 4);
        let mut second = joined(&mut present, "ana");
        read(&mut present, "ana", 8, 5);
        for deliveries in [&mut first, &mut second] {
            let all = r#"{"type":"my_rooms","rooms":{"b.1":{"unread":4}}}"#.to_owned();
            assert_eq!(frames(deliveries), [all, unread(5)]);
        }
    }
}
