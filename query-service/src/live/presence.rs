//! The presence of users in one room at other nodes, and the timing of presence messages. Uses no clock and no network.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use domain::UserId;
use tokio::time::Instant;

/// The time after which the users of a node are removed if the node does not repeat them.
const EXPIRY: Duration = Duration::from_secs(30);

/// The interval at which nodes repeat their users.
const REFRESH_INTERVAL: Duration = Duration::from_secs(10);

/// The minimum time between two messages.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// The minimum time between two typing signals of a user.
const TYPING_INTERVAL: Duration = Duration::from_secs(2);

/// The presence at other nodes in one room.
#[derive(Debug, Default)]
pub(super) struct RemotePresence {
    nodes: HashMap<String, NodePresence>,
    typed: HashMap<UserId, Instant>,
}

#[derive(Debug)]
struct NodePresence {
    users: BTreeSet<UserId>,
    until: Instant,
}

impl RemotePresence {
    /// Sets the users who are connected at a node. Without users, the node is removed.
    pub(super) fn set_users(&mut self, node: &str, users: BTreeSet<UserId>, now: Instant) {
        if users.is_empty() {
            self.nodes.remove(node);
        } else {
            self.nodes.insert(node.to_owned(), NodePresence { users, until: now + EXPIRY });
        }
    }

    /// Removes nodes that have not repeated their users in time. Returns true if there were any.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let before = self.nodes.len();
        self.nodes.retain(|_, presence| now < presence.until);
        self.nodes.len() < before
    }

    /// Removes a user who is not a member any more from all nodes.
    pub(super) fn remove_user(&mut self, user: &UserId) {
        for presence in self.nodes.values_mut() {
            presence.users.remove(user);
        }
    }

    /// Returns the earliest expiry of a node.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.nodes.values().map(|presence| presence.until).min()
    }

    /// Returns all users at other nodes, possibly repeated.
    pub(super) fn users(&self) -> impl Iterator<Item = &UserId> {
        self.nodes.values().flat_map(|presence| &presence.users)
    }

    /// Records a typing signal. Returns false if the last one of this user is too recent.
    pub(super) fn allow_typing(&mut self, user: &UserId, now: Instant) -> bool {
        self.typed.retain(|_, at| now < *at + TYPING_INTERVAL);
        if self.typed.contains_key(user) {
            return false;
        }
        self.typed.insert(user.clone(), now);
        true
    }
}

/// The timing of a repeated message: soon after a change, but not too often.
#[derive(Debug)]
pub(super) struct Debounce {
    /// The time during which changes are combined into one message.
    delay: Duration,
    last: Option<Instant>,
    due: Option<Instant>,
}

impl Debounce {
    /// Creates a timer with nothing sent and nothing due.
    pub(super) fn new(delay: Duration) -> Self {
        Self { delay, last: None, due: None }
    }

    /// Schedules a message, because the state has changed.
    pub(super) fn schedule(&mut self, now: Instant) {
        let soon = (now + self.delay).max(self.last.map_or(now, |last| last + MIN_INTERVAL));
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }

    /// Records that the message was sent. The next one is due after a change.
    pub(super) fn sent(&mut self, now: Instant) {
        (self.last, self.due) = (Some(now), None);
    }

    /// Records that the message was sent. The next one is due after a change, or after [`REFRESH_INTERVAL`].
    pub(super) fn sent_and_refresh(&mut self, now: Instant) {
        (self.last, self.due) = (Some(now), Some(now + REFRESH_INTERVAL));
    }

    /// Returns the time at which the message is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Returns true if the message is due now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(names: &[&str]) -> BTreeSet<UserId> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn all(remote: &RemotePresence) -> BTreeSet<UserId> {
        remote.users().cloned().collect()
    }

    #[test]
    fn a_silent_node_expires_after_half_a_minute() {
        let start = Instant::now();
        let mut remote = RemotePresence::default();
        remote.set_users("one", users(&["ana", "ben"]), start);
        remote.set_users("two", users(&["ben", "cem"]), start);
        assert_eq!(all(&remote), users(&["ana", "ben", "cem"]));
        remote.set_users("two", users(&["cem"]), start + REFRESH_INTERVAL);
        assert!(!remote.expire(start + EXPIRY / 2));
        assert_eq!(remote.next_expiry(), Some(start + EXPIRY));
        assert!(remote.expire(start + EXPIRY));
        assert_eq!(all(&remote), users(&["cem"]));
        remote.set_users("two", users(&[]), start + EXPIRY);
        assert_eq!(all(&remote), users(&[]));
    }

    #[test]
    fn an_expelled_user_is_not_present() {
        let mut remote = RemotePresence::default();
        remote.set_users("one", users(&["ana", "ben"]), Instant::now());
        remote.remove_user(&"ben".parse().unwrap());
        assert_eq!(all(&remote), users(&["ana"]));
    }

    #[test]
    fn typing_is_sent_once_in_two_seconds_for_each_user() {
        let (mut remote, start) = (RemotePresence::default(), Instant::now());
        let (ana, ben) = ("ana".parse().unwrap(), "ben".parse().unwrap());
        assert!(remote.allow_typing(&ana, start));
        assert!(!remote.allow_typing(&ana, start + TYPING_INTERVAL / 2));
        assert!(remote.allow_typing(&ben, start + TYPING_INTERVAL / 2));
        assert!(remote.allow_typing(&ana, start + TYPING_INTERVAL));
        assert!(!remote.allow_typing(&ana, start + TYPING_INTERVAL));
    }

    #[test]
    fn many_changes_are_sent_once_a_second() {
        const DELAY: Duration = Duration::from_millis(100);
        let (mut rhythm, start) = (Debounce::new(DELAY), Instant::now());
        assert_eq!(rhythm.due(), None);
        rhythm.schedule(start);
        rhythm.schedule(start + DELAY / 2);
        assert_eq!(rhythm.due(), Some(start + DELAY));
        rhythm.sent(start + DELAY);
        assert_eq!(rhythm.due(), None);
        rhythm.schedule(start + DELAY * 2);
        assert_eq!(rhythm.due(), Some(start + DELAY + MIN_INTERVAL));
        assert!(!rhythm.is_due(start + MIN_INTERVAL));
        rhythm.sent_and_refresh(start + DELAY + MIN_INTERVAL);
        assert_eq!(rhythm.due(), Some(start + DELAY + MIN_INTERVAL + REFRESH_INTERVAL));
        rhythm.schedule(start + MIN_INTERVAL * 4);
        assert_eq!(rhythm.due(), Some(start + MIN_INTERVAL * 4 + DELAY));
    }
}
