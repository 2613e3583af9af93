//! The connected users, and the times at which their data must be read.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use domain::{RoomId, UserId};
use serde::Deserialize;
use tokio::{sync::watch, time::Instant};

use super::Person;
use crate::live::{my_rooms::MyRoom, seen::Seen, send_queue::SendQueue};

/// The minimum time between two reads of a user's unread counts because of other users' messages.
const PACE: Duration = Duration::from_secs(1);

/// A change of a user's view of a room, from a notification. Without a user, it concerns all members of the room.
#[derive(Debug, Deserialize)]
pub(super) struct Touched {
    room_id: RoomId,
    user_id: Option<UserId>,
}

/// The connected users.
#[derive(Default)]
pub(super) struct Present {
    people: HashMap<UserId, Arc<Person>>,
    /// The connected members of each room, as far as their rooms were sent.
    inside: HashMap<RoomId, HashSet<UserId>>,
    /// Users whose alarms may have been missed.
    alarms: Due,
    /// Users whose rooms may have changed.
    rooms: Due,
}

impl Present {
    /// Adds a connection of a user, and the user with the first one.
    pub(super) fn join(
        &mut self,
        user: &UserId,
        send_queue: &Arc<SendQueue>,
        alarms: Seen,
        open: impl FnOnce(&UserId) -> Arc<Person>,
    ) -> watch::Receiver<bool> {
        let person = self.people.entry(user.clone()).or_insert_with(|| open(user));
        let now = Instant::now();
        if !person.join(send_queue, alarms) {
            self.rooms.at(user, now);
        }
        self.alarms.at(user, now);
        person.listening()
    }

    /// Removes a connection of a user, and the user with the last one.
    pub(super) fn leave(&mut self, user: &UserId, send_queue: &Arc<SendQueue>) {
        if self.people.get(user).is_some_and(|person| !person.leave(send_queue))
            && let Some(person) = self.people.remove(user)
        {
            self.forget_inside(&person);
        }
    }

    /// Returns all connected users.
    pub(super) fn people(&self) -> impl Iterator<Item = &Arc<Person>> {
        self.people.values()
    }

    /// Schedules reads of the rooms of users: at once for the user who acted, at most once per [`PACE`] for the others.
    pub(super) fn touch(&mut self, touched: &[Touched], now: Instant) {
        for Touched { room_id, user_id } in touched {
            match user_id {
                Some(user) if self.people.contains_key(user) => self.rooms.at(user, now),
                Some(_) => {}
                None => {
                    for user in self.inside.get(room_id).into_iter().flatten() {
                        let read_at = self.people.get(user).and_then(|person| person.rooms_read_at());
                        self.rooms.at(user, read_at.map_or(now, |read_at| now.max(read_at + PACE)));
                    }
                }
            }
        }
    }

    /// Schedules reads for all users, because any notification may have been missed.
    pub(super) fn mark_all_stale(&mut self, now: Instant) {
        for user in self.people.keys() {
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
    pub(super) fn take_stale_alarms(&mut self, now: Instant) -> Vec<Arc<Person>> {
        self.alarms.take(now).filter_map(|user| self.people.get(&user).cloned()).collect()
    }

    /// Takes the users whose rooms must be read now.
    pub(super) fn take_stale_rooms(&mut self, now: Instant) -> Vec<Arc<Person>> {
        self.rooms.take(now).filter_map(|user| self.people.get(&user).cloned()).collect()
    }

    /// Sends a user the changes of the rooms, and records the rooms that the user is a member of.
    pub(super) fn tell_rooms(&mut self, person: &Arc<Person>, read: Vec<MyRoom>) {
        // Skips a user who has disconnected and connected again since the read.
        if !self.people.get(person.id()).is_some_and(|known| Arc::ptr_eq(known, person)) {
            return;
        }
        self.forget_inside(person);
        person.tell_rooms(read);
        for room in person.rooms() {
            self.inside.entry(room).or_default().insert(person.id().clone());
        }
    }

    fn forget_inside(&mut self, person: &Person) {
        for room in person.rooms() {
            if let Some(inside) = self.inside.get_mut(&room) {
                inside.remove(person.id());
                if inside.is_empty() {
                    self.inside.remove(&room);
                }
            }
        }
    }
}

/// Users with the times at which their data is due.
#[derive(Default)]
struct Due(HashMap<UserId, Instant>);

impl Due {
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
    use crate::live::send_queue::{Delivery, SendQueueReceiver};

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    fn joined(present: &mut Present, name: &str) -> SendQueueReceiver {
        let deliveries = SendQueueReceiver::new();
        let open = |user: &UserId| Arc::new(Person::new(user.clone(), watch::channel(false).1));
        present.join(&user(name), deliveries.send_queue(), Seen::default(), open);
        deliveries
    }

    fn whose(present: &mut Present, now: Instant) -> Vec<String> {
        let mut names: Vec<_> = present.take_stale_rooms(now).iter().map(|person| person.id().to_string()).collect();
        names.sort();
        names
    }

    fn read(present: &mut Present, name: &str, unread: i64) {
        let person = present.people[&user(name)].clone();
        present.tell_rooms(&person, vec![MyRoom::inside("b.1", unread)]);
    }

    fn touched(user_id: Option<&str>) -> [Touched; 1] {
        [Touched { room_id: "b.1".parse().unwrap(), user_id: user_id.map(user) }]
    }

    #[test]
    fn a_touched_room_is_read_once_a_second_for_members_and_at_once_for_the_actor() {
        let mut present = Present::default();
        let _inboxes = ["ana", "ben", "cem"].map(|name| joined(&mut present, name));
        let start = Instant::now();
        assert_eq!(whose(&mut present, start), ["ana", "ben", "cem"], "they are new");
        read(&mut present, "ana", 1);
        read(&mut present, "ben", 1);
        let now = Instant::now();
        present.touch(&touched(None), now);
        assert!(whose(&mut present, now).is_empty(), "they were read just now");
        present.touch(&touched(Some("ben")), now);
        present.touch(&touched(Some("stranger")), now);
        assert_eq!(whose(&mut present, now), ["ben"]);
        assert_eq!(whose(&mut present, now + PACE), ["ana"], "and cem is not a member");
        present.touch(&touched(None), now + PACE);
        assert_eq!(whose(&mut present, now + PACE), ["ana", "ben"]);
    }

    #[test]
    fn a_disconnected_user_is_removed() {
        let mut present = Present::default();
        let (first, second) = (joined(&mut present, "ana"), joined(&mut present, "ana"));
        read(&mut present, "ana", 1);
        present.leave(&user("ana"), first.send_queue());
        assert_eq!((present.people.len(), present.inside.len()), (1, 1));
        present.leave(&user("ana"), second.send_queue());
        assert_eq!((present.people.len(), present.inside.len()), (0, 0));
        assert!(whose(&mut present, Instant::now()).is_empty());
    }

    #[test]
    fn a_second_connection_receives_the_state_of_the_first() {
        let mut present = Present::default();
        let mut first = joined(&mut present, "ana");
        read(&mut present, "ana", 4);
        let mut second = joined(&mut present, "ana");
        read(&mut present, "ana", 5);
        for deliveries in [&mut first, &mut second] {
            let mut next = || match deliveries.try_next() {
                Some(Delivery::News(frame)) => frame.to_string(),
                other => panic!("{other:?}"),
            };
            assert_eq!(next(), r#"{"type":"my_rooms","rooms":{"b.1":{"unread":4}}}"#);
            assert_eq!(next(), r#"{"type":"unread","room":"b.1","unread":5}"#);
        }
    }
}
