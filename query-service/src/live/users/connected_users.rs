//! The connected users, and the times at which their data must be read.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use domain::{RoomId, UserId};
use serde::Deserialize;
use tokio::{sync::watch, time::Instant};

use super::ConnectedUser;
use crate::live::{my_rooms::MyRoom, send_queue::SendQueue, sent_alarms::SentAlarms};

/// The minimum time between two reads of a user's unread counts because of other users.
const UNREAD_INTERVAL: Duration = Duration::from_secs(1);

/// A change of a user's view of a room, from a notification. Without a user, it concerns all members of the room.
#[derive(Debug, Deserialize)]
pub(super) struct RoomChange {
    room_id: RoomId,
    user_id: Option<UserId>,
}

/// The connected users.
#[derive(Default)]
pub(super) struct ConnectedUsers {
    users: HashMap<UserId, Arc<ConnectedUser>>,
    /// The connected members of each room, as far as their rooms were sent.
    inside: HashMap<RoomId, HashSet<UserId>>,
    /// Users whose alarms may have been missed, or are counted.
    alarms: Schedule,
    /// Users whose rooms may have changed.
    rooms: Schedule,
}

impl ConnectedUsers {
    /// Adds a connection of a user, and the user with the first one.
    pub(super) fn join(
        &mut self,
        user: &UserId,
        send_queue: &Arc<SendQueue>,
        alarms: SentAlarms,
        open: impl FnOnce(&UserId) -> Arc<ConnectedUser>,
    ) -> watch::Receiver<bool> {
        let connected_user = self.users.entry(user.clone()).or_insert_with(|| open(user));
        let now = Instant::now();
        if !connected_user.join(send_queue, alarms) {
            self.rooms.at(user, now);
        }
        self.alarms.at(user, now);
        connected_user.listening()
    }

    /// Removes a connection of a user, and the user with the last one.
    pub(super) fn leave(&mut self, user: &UserId, send_queue: &Arc<SendQueue>) {
        if self.users.get(user).is_some_and(|connected_user| !connected_user.leave(send_queue))
            && let Some(connected_user) = self.users.remove(user)
        {
            self.remove_memberships(&connected_user);
        }
    }

    /// Returns all connected users.
    pub(super) fn users(&self) -> impl Iterator<Item = &Arc<ConnectedUser>> {
        self.users.values()
    }

    /// Schedules reads of the rooms of users: at once for the user who acted, at most once per
    /// [`UNREAD_INTERVAL`] for the others.
    pub(super) fn schedule_changed(&mut self, touched: &[RoomChange], now: Instant) {
        for RoomChange { room_id, user_id } in touched {
            match user_id {
                Some(user) if self.users.contains_key(user) => self.rooms.at(user, now),
                Some(_) => {}
                None => {
                    for user in self.inside.get(room_id).into_iter().flatten() {
                        let read_at = self.users.get(user).and_then(|connected_user| connected_user.rooms_read_at());
                        self.rooms.at(user, read_at.map_or(now, |read_at| now.max(read_at + UNREAD_INTERVAL)));
                    }
                }
            }
        }
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
        self.remove_memberships(connected_user);
        connected_user.send_rooms(read);
        for room in connected_user.rooms() {
            self.inside.entry(room).or_default().insert(connected_user.id().clone());
        }
    }

    fn remove_memberships(&mut self, connected_user: &ConnectedUser) {
        for room in connected_user.rooms() {
            if let Some(inside) = self.inside.get_mut(&room) {
                inside.remove(connected_user.id());
                if inside.is_empty() {
                    self.inside.remove(&room);
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
    use super::*;
    use crate::{
        alarm_summary::Unread,
        live::{
            send_queue::{Delivery, SendQueueReceiver},
            sent_alarms::Positions,
        },
    };

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    fn joined(present: &mut ConnectedUsers, name: &str) -> SendQueueReceiver {
        let deliveries = SendQueueReceiver::new();
        let open = |user: &UserId| Arc::new(ConnectedUser::new(user.clone(), watch::channel(false).1));
        present.join(&user(name), deliveries.send_queue(), SentAlarms::default(), open);
        deliveries
    }

    fn whose(present: &mut ConnectedUsers, now: Instant) -> Vec<String> {
        let mut names: Vec<_> =
            present.take_stale_rooms(now).iter().map(|connected_user| connected_user.id().to_string()).collect();
        names.sort();
        names
    }

    fn read(present: &mut ConnectedUsers, name: &str, unread: i64) {
        let connected_user = present.users[&user(name)].clone();
        present.send_rooms(&connected_user, vec![MyRoom::inside("b.1", unread)]);
    }

    fn touched(user_id: Option<&str>) -> [RoomChange; 1] {
        [RoomChange { room_id: "b.1".parse().unwrap(), user_id: user_id.map(user) }]
    }

    #[test]
    fn a_touched_room_is_read_once_a_second_for_members_and_at_once_for_the_actor() {
        let mut present = ConnectedUsers::default();
        let _inboxes = ["ana", "ben", "cem"].map(|name| joined(&mut present, name));
        let start = Instant::now();
        assert_eq!(whose(&mut present, start), ["ana", "ben", "cem"], "they are new");
        read(&mut present, "ana", 1);
        read(&mut present, "ben", 1);
        let now = Instant::now();
        present.schedule_changed(&touched(None), now);
        assert!(whose(&mut present, now).is_empty(), "they were read just now");
        present.schedule_changed(&touched(Some("ben")), now);
        present.schedule_changed(&touched(Some("stranger")), now);
        assert_eq!(whose(&mut present, now), ["ben"]);
        assert_eq!(whose(&mut present, now + UNREAD_INTERVAL), ["ana"], "and cem is not a member");
        present.schedule_changed(&touched(None), now + UNREAD_INTERVAL);
        assert_eq!(whose(&mut present, now + UNREAD_INTERVAL), ["ana", "ben"]);
    }

    #[test]
    fn a_disconnected_user_is_removed() {
        let mut present = ConnectedUsers::default();
        let (first, second) = (joined(&mut present, "ana"), joined(&mut present, "ana"));
        read(&mut present, "ana", 1);
        present.leave(&user("ana"), first.send_queue());
        assert_eq!((present.users.len(), present.inside.len()), (1, 1));
        present.leave(&user("ana"), second.send_queue());
        assert_eq!((present.users.len(), present.inside.len()), (0, 0));
        assert!(whose(&mut present, Instant::now()).is_empty());
    }

    #[test]
    fn a_read_of_alarms_covers_only_connections_that_came_before_it() {
        let mut present = ConnectedUsers::default();
        let mut first = joined(&mut present, "ana");
        let connected_user = present.users[&user("ana")].clone();
        let read = || connected_user.complete(&Positions::new(), &Unread::default(), None);
        connected_user.floor(&Positions::new());
        let mut second = joined(&mut present, "ana");
        read();
        assert!(matches!(first.try_next(), Some(Delivery::UserFrame(_))));
        assert!(second.try_next().is_none());
        connected_user.floor(&Positions::new());
        read();
        assert!(matches!(second.try_next(), Some(Delivery::UserFrame(_))));
    }

    #[test]
    fn a_second_connection_receives_the_state_of_the_first() {
        let mut present = ConnectedUsers::default();
        let mut first = joined(&mut present, "ana");
        read(&mut present, "ana", 4);
        let mut second = joined(&mut present, "ana");
        read(&mut present, "ana", 5);
        for deliveries in [&mut first, &mut second] {
            let mut next = || match deliveries.try_next() {
                Some(Delivery::UserFrame(frame)) => frame.to_string(),
                other => panic!("{other:?}"),
            };
            assert_eq!(next(), r#"{"type":"my_rooms","rooms":{"b.1":{"unread":4}}}"#);
            assert_eq!(next(), r#"{"type":"unread","room":"b.1","unread":5}"#);
        }
    }
}
