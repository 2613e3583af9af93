//! The number of open rooms that each user is in, as this process knows it from the tail and from its own commits.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use domain::UserId;

use crate::{codec::envelope::RecordedCommit, executor::aggregate::StoredAggregate};

/// The members of all open rooms, by the aggregate that holds the room.
#[derive(Debug)]
pub(super) struct Memberships<Id>(Mutex<Known<Id>>);

#[derive(Debug)]
struct Known<Id> {
    /// The version of each aggregate with members, and the members.
    members: HashMap<Id, (u64, Vec<UserId>)>,
    /// The number of memberships of each user who has any.
    counts: HashMap<UserId, usize>,
}

impl<Id> Default for Memberships<Id> {
    fn default() -> Self {
        Self(Mutex::new(Known { members: HashMap::new(), counts: HashMap::new() }))
    }
}

impl<Id: Clone + Eq + Hash> Memberships<Id> {
    fn known(&self) -> MutexGuard<'_, Known<Id>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of open rooms that a user is in.
    pub(super) fn count(&self, user_id: &UserId) -> usize {
        self.known().counts.get(user_id).copied().unwrap_or_default()
    }

    /// Replaces the members of an aggregate, unless a later version is known.
    pub(super) fn update(&self, id: &Id, version: u64, members: &[UserId]) {
        let mut known = self.known();
        if known.members.get(id).is_some_and(|(newest, _)| *newest >= version) {
            return;
        }
        let former = known.members.remove(id).map(|(_, members)| members).unwrap_or_default();
        for user_id in members {
            *known.counts.entry(user_id.clone()).or_default() += 1;
        }
        for user_id in former {
            if let Some(count) = known.counts.get_mut(&user_id) {
                *count -= 1;
                if *count == 0 {
                    known.counts.remove(&user_id);
                }
            }
        }
        if !members.is_empty() {
            known.members.insert(id.clone(), (version, members.to_vec()));
        }
    }

    /// Updates the members from a commit of the tail.
    pub(super) fn observe<A: StoredAggregate<Id = Id>>(&self, commit: &RecordedCommit) {
        if !A::HAS_MEMBERS {
            return;
        }
        let Some(id) = A::changed_by(&commit.source) else { return };
        if let Some(state) = A::stored_state(commit) {
            self.update(&id, commit.sequence, state.members());
        }
    }

    /// Drops everything.
    pub(super) fn clear(&self) {
        let mut known = self.known();
        known.members.clear();
        known.counts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_counted_in_each_room_once_and_by_the_newest_version() {
        let memberships = Memberships::default();
        let [ann, bob]: [UserId; 2] = ["ann", "bob"].map(|name| name.parse().unwrap());
        let count = |user_id| memberships.count(user_id);
        memberships.update(&"b1", 5, &[ann.clone(), bob.clone()]);
        memberships.update(&"b2", 6, std::slice::from_ref(&ann));
        assert_eq!((count(&ann), count(&bob)), (2, 1));
        // Neither a repeat nor an older version changes anything.
        memberships.update(&"b2", 6, &[]);
        memberships.update(&"b1", 4, &[]);
        assert_eq!((count(&ann), count(&bob)), (2, 1));
        memberships.update(&"b1", 7, std::slice::from_ref(&ann));
        assert_eq!((count(&ann), count(&bob)), (2, 0));
        memberships.update(&"b1", 8, &[]);
        memberships.update(&"b2", 9, &[]);
        let is_empty = |known: MutexGuard<'_, Known<_>>| known.members.is_empty() && known.counts.is_empty();
        assert!(is_empty(memberships.known()));
        memberships.update(&"b1", 10, std::slice::from_ref(&ann));
        memberships.clear();
        assert_eq!(count(&ann), 0);
    }
}
