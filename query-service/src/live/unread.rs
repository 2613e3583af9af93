//! Counts of unread messages, kept up to date by the facts in notifications, without the database.

use std::collections::VecDeque;

use domain::{MessageId, UserId};
use serde::Deserialize;

/// The maximum number of recent facts that are kept of a room.
pub(super) const MAX_RECENT: usize = 100;

/// A change of the messages that count as unread, from a notification.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct CountFact {
    v: i64,
    message_id: MessageId,
    author: UserId,
    #[serde(default)]
    deleted: bool,
}

/// All facts of a room's feed after one version and up to another one.
#[derive(Debug)]
pub(super) struct RecentFacts {
    after_v: i64,
    v: i64,
    facts: VecDeque<CountFact>,
}

/// The unread count of a user in a room, as of a version of the room's feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnreadCount {
    pub(super) v: i64,
    /// The read marker.
    pub(super) read_up_to: Option<MessageId>,
    /// The last message of the room.
    pub(super) last_message: Option<MessageId>,
    pub(super) unread: i64,
}

/// The version of a count that is not known.
const UNKNOWN: i64 = -1;

impl RecentFacts {
    /// Begins after a version.
    pub(super) fn after(v: i64) -> Self {
        Self { after_v: v, v, facts: VecDeque::new() }
    }

    /// Adds the facts of the versions after `after_v` and up to `v`. Ignores versions that it has already. Forgets all
    /// earlier facts if versions in between are missing.
    pub(super) fn add(&mut self, after_v: i64, v: i64, facts: Vec<CountFact>) {
        if v <= self.v || !(0..v).contains(&after_v) {
            return;
        }
        if after_v > self.v {
            *self = Self::after(after_v);
        }
        let known = self.v;
        self.facts.extend(facts.into_iter().filter(|fact| (known + 1..=v).contains(&fact.v)));
        self.v = v;
    }

    /// Forgets the oldest facts beyond a limit.
    pub(super) fn trim(&mut self, limit: usize) {
        let excess = self.facts.len().saturating_sub(limit);
        if let Some(last) = self.facts.drain(..excess).next_back() {
            self.after_v = last.v;
        }
    }

    /// Counts the messages after one that a user has not read; none if facts about them are missing.
    fn count_after(&self, message_id: MessageId, user: &UserId) -> Option<i64> {
        // Messages are posted in the order of their ids, so that all after the first one are known.
        let first = self.facts.iter().find(|fact| !fact.deleted)?;
        let later = self.facts.iter().filter(|fact| fact.message_id > message_id && fact.author != *user);
        (first.message_id <= message_id).then(|| later.map(CountFact::change).sum())
    }
}

impl CountFact {
    fn change(&self) -> i64 {
        if self.deleted { -1 } else { 1 }
    }
}

impl UnreadCount {
    /// Forgets the count and the marker: only a read makes them known again.
    pub(super) fn forget(&mut self) {
        *self = Self { v: UNKNOWN, read_up_to: None, last_message: None, unread: self.unread };
    }

    /// Counts on to the last version of the facts. Returns false and changes nothing if facts are missing.
    pub(super) fn follow(&mut self, user: &UserId, recent: &RecentFacts) -> bool {
        if self.v < recent.after_v {
            return false;
        }
        for fact in recent.facts.iter().filter(|fact| fact.v > self.v) {
            self.last_message = self.last_message.max(Some(fact.message_id));
            if Some(fact.message_id) > self.read_up_to && fact.author != *user {
                self.unread += fact.change();
            }
        }
        self.v = self.v.max(recent.v);
        true
    }

    /// Moves the read marker forward. Returns false and changes nothing if the count after it is not known.
    pub(super) fn mark(&mut self, user: &UserId, message_id: MessageId, recent: Option<&RecentFacts>) -> bool {
        if self.read_up_to >= Some(message_id) {
            return true;
        }
        let counted = if self.v == UNKNOWN {
            None
        } else if self.last_message <= Some(message_id) {
            Some(0)
        } else {
            recent.filter(|recent| recent.v == self.v).and_then(|recent| recent.count_after(message_id, user))
        };
        let Some(unread) = counted else { return false };
        (self.read_up_to, self.unread) = (Some(message_id), unread);
        true
    }

    /// Counts on from a read of the database. A read may be older than the facts, and than the user's marker. Returns
    /// false if it must be repeated.
    pub(super) fn reread(&mut self, user: &UserId, read: Self, recent: Option<&RecentFacts>) -> bool {
        let former = std::mem::replace(self, read);
        if let Some(recent) = recent
            && !self.follow(user, recent)
        {
            let is_exact = former.v >= recent.after_v;
            *self = former;
            return is_exact;
        }
        former.read_up_to.is_none_or(|message_id| self.mark(user, message_id, recent))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const USERS: [&str; 3] = ["ana", "ben", "cem"];

    /// What happens in the room, to the notifications about it, or to the counts.
    #[derive(Debug, Clone)]
    enum Step {
        Post(usize),
        Delete(usize),
        /// An event that changes no count.
        Other,
        /// A user marks a message, the marker is notified now or never.
        Mark(usize, usize, bool),
        /// Notifies the versions since an earlier one; false if the notification is lost.
        Notify(usize, bool),
        /// The database answers a user's read, which began these versions ago.
        Read(usize, usize),
        /// The process counts from the start.
        Restart,
        /// Old facts are forgotten.
        Trim,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0..3_usize).prop_map(Step::Post),
            2 => (0..40_usize).prop_map(Step::Delete),
            1 => Just(Step::Other),
            3 => (0..3_usize, 0..40_usize, any::<bool>()).prop_map(|(who, what, told)| Step::Mark(who, what, told)),
            6 => (0..6_usize, prop::bool::weighted(0.9)).prop_map(|(back, arrives)| Step::Notify(back, arrives)),
            2 => (0..3_usize, 0..3_usize).prop_map(|(who, ago)| Step::Read(who, ago)),
            1 => Just(Step::Restart),
            1 => Just(Step::Trim),
        ]
    }

    fn user(who: usize) -> UserId {
        USERS[who].parse().unwrap()
    }

    /// The room after each version: its messages with their authors, deleted or not, and the markers.
    #[derive(Debug, Clone, Default)]
    struct Room {
        messages: Vec<(usize, bool)>,
        markers: [usize; 3],
    }

    impl Room {
        fn unread(&self, who: usize, marker: usize) -> i64 {
            let later = self.messages.iter().skip(marker);
            i64::try_from(later.filter(|(author, deleted)| *author != who && !deleted).count()).unwrap()
        }

        fn read(&self, who: usize, v: usize) -> UnreadCount {
            let message_id = |number: usize| (number > 0).then(|| MessageId::new(number as u64));
            UnreadCount {
                v: i64::try_from(v).unwrap(),
                read_up_to: message_id(self.markers[who]),
                last_message: message_id(self.messages.len()),
                unread: self.unread(who, self.markers[who]),
            }
        }
    }

    #[derive(Default)]
    struct Model {
        /// The room after each version, and the fact of each version.
        versions: Vec<(Room, Option<CountFact>)>,
        notified: usize,
        recent: Option<RecentFacts>,
        counts: [Option<UnreadCount>; 3],
    }

    impl Model {
        fn room(&self) -> Room {
            self.versions.last().map(|(room, _)| room.clone()).unwrap_or_default()
        }

        fn push(&mut self, room: Room, changed: Option<(usize, bool)>) {
            let v = i64::try_from(self.versions.len() + 1).unwrap();
            let fact = changed.map(|(number, deleted)| {
                let author = user(room.messages[number].0);
                CountFact { v, message_id: MessageId::new(number as u64 + 1), author, deleted }
            });
            self.versions.push((room, fact));
        }

        #[expect(clippy::needless_pass_by_value, reason = "a step is taken once")]
        fn take(&mut self, step: Step) {
            let mut room = self.room();
            match step {
                Step::Post(author) => {
                    room.messages.push((author, false));
                    let number = room.messages.len() - 1;
                    self.push(room, Some((number, false)));
                }
                Step::Delete(number) if room.messages.get(number).is_some_and(|(_, deleted)| !deleted) => {
                    room.messages[number].1 = true;
                    self.push(room, Some((number, true)));
                }
                Step::Mark(who, number, told) if number < room.messages.len() => {
                    let Some((last, _)) = self.versions.last_mut() else { return };
                    last.markers[who] = last.markers[who].max(number + 1);
                    let marker = MessageId::new(last.markers[who] as u64);
                    if told
                        && let Some(count) = &mut self.counts[who]
                        && !count.mark(&user(who), marker, self.recent.as_ref())
                    {
                        self.counts[who] = None;
                    }
                }
                Step::Other => self.push(room, None),
                Step::Delete(_) | Step::Mark(..) => {}
                Step::Notify(back, arrives) => {
                    let from = self.notified.saturating_sub(back);
                    let facts = self.versions[from..].iter().filter_map(|(_, fact)| fact.clone()).collect();
                    self.notified = self.versions.len();
                    if arrives {
                        let (after_v, v) = (i64::try_from(from).unwrap(), i64::try_from(self.notified).unwrap());
                        self.recent.get_or_insert_with(|| RecentFacts::after(after_v)).add(after_v, v, facts);
                        self.follow();
                    }
                }
                Step::Read(who, ago) => {
                    let v = self.versions.len().saturating_sub(ago);
                    let Some((then, _)) = v.checked_sub(1).and_then(|index| self.versions.get(index)) else { return };
                    let read = then.read(who, v);
                    let mut count = self.counts[who].take().unwrap_or_else(|| {
                        let mut count = read.clone();
                        count.forget();
                        count
                    });
                    self.counts[who] = count.reread(&user(who), read, self.recent.as_ref()).then_some(count);
                }
                Step::Restart => (self.recent, self.counts) = (None, [const { None }; 3]),
                Step::Trim => {
                    if let Some(recent) = &mut self.recent {
                        recent.trim(3);
                    }
                }
            }
        }

        fn follow(&mut self) {
            let recent = self.recent.as_ref().unwrap();
            for (who, count) in self.counts.iter_mut().enumerate() {
                if count.as_mut().is_some_and(|count| !count.follow(&user(who), recent)) {
                    *count = None;
                }
            }
        }

        /// Compares every count with a recount at its version and marker.
        fn check(&self) {
            for (who, count) in self.counts.iter().enumerate() {
                let Some(count) = count else { continue };
                let Some(index) = usize::try_from(count.v).unwrap().checked_sub(1) else { continue };
                let marker = count.read_up_to.map_or(0, |marker| usize::try_from(marker.sequence()).unwrap());
                let room = &self.versions[index].0;
                assert_eq!(count.unread, room.unread(who, marker), "{} at {}", USERS[who], count.v);
            }
        }
    }

    proptest! {
        #[test]
        fn counts_are_exact_whatever_is_lost_or_repeated(steps in vec(step(), 1..120)) {
            let mut model = Model::default();
            for step in steps {
                model.take(step);
                model.check();
            }
            // After a read and a notification every user has the count of the head.
            for who in 0..3 {
                model.take(Step::Other);
                model.take(Step::Notify(0, true));
                model.take(Step::Read(who, 0));
            }
            model.take(Step::Other);
            model.take(Step::Notify(0, true));
            let room = model.room();
            for (who, count) in model.counts.iter().enumerate() {
                let count = count.as_ref().expect("it was read");
                prop_assert_eq!(count.v, i64::try_from(model.versions.len()).unwrap());
                prop_assert_eq!(count.unread, room.unread(who, room.markers[who]));
            }
        }
    }

    #[test]
    fn few_facts_of_a_room_are_kept() {
        let mut recent = RecentFacts::after(0);
        for v in 1..=1000 {
            let fact = CountFact { v, message_id: MessageId::new(v.cast_unsigned()), author: user(0), deleted: false };
            recent.add(v - 1, v, vec![fact]);
            recent.trim(MAX_RECENT);
        }
        assert_eq!((recent.facts.len(), recent.after_v, recent.v), (MAX_RECENT, 900, 1000));
    }
}
