//! The alarms that one connection has received, so that each is sent once, from a notification or from the read model.

use std::collections::BTreeMap;

/// The position in each stream: sequences by label.
pub(super) type Positions = BTreeMap<String, i64>;

/// The key of an alarm of one user: stream and sequence of its event, and its kind.
pub(super) type Key = (String, i64, String);

/// A new state of an alarm.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) key: Key,
    /// The position of the event that caused the state.
    pub(super) changed: i64,
    pub(super) is_withdrawal: bool,
    /// True if it may be older than other alarms that were sent.
    pub(super) is_released: bool,
}

/// The alarms that one connection has received.
#[derive(Debug, Default)]
pub(super) struct SentAlarms {
    /// The positions up to which all alarms were sent or are older than the connection; none if not known yet.
    complete: Option<Positions>,
    /// The alarms that were sent with a change beyond `complete`, and that change. Earlier ones may be missing.
    beyond: BTreeMap<Key, i64>,
    /// True if `complete` comes from a client's cursor and was not compared with the log yet.
    unverified: bool,
}

impl SentAlarms {
    /// Creates the state of a connection that begins at these positions.
    pub(super) fn after(complete: Positions) -> Self {
        Self { complete: Some(complete), ..Self::default() }
    }

    /// Creates the state of a connection whose cursor claims these positions.
    pub(super) fn claimed(complete: Positions) -> Self {
        Self { unverified: true, ..Self::after(complete) }
    }

    /// Marks a state of an alarm as sent. Returns false if the client has it or a later one, or need not know it.
    pub(super) fn mark_sent(&mut self, change: &Change) -> bool {
        let Change { key, changed, is_withdrawal, is_released } = change;
        let complete = self.complete.as_ref().and_then(|complete| complete.get(&key.0));
        let is_complete = complete.is_some_and(|complete| changed <= complete);
        let sent = self.beyond.get(key).copied();
        if is_complete && !is_released || sent.is_some_and(|sent| *changed <= sent) {
            return false;
        }
        // A client that has not received an alarm needs no withdrawal of it.
        let is_known = sent.is_some() || complete.is_none_or(|complete| key.1 <= *complete);
        self.beyond.insert(key.clone(), *changed);
        !is_withdrawal || is_known
    }

    /// Checks a client's claim, once, against the positions of the streams. Returns false if the claim is beyond them:
    /// the client's cursor is of another log then, and the connection begins at `positions`.
    pub(super) fn verify_claim(&mut self, positions: &Positions) -> bool {
        let claimed = self.complete.as_ref().filter(|_| std::mem::take(&mut self.unverified));
        let possible = |(stream, claimed): (&String, &i64)| positions.get(stream).is_some_and(|last| claimed <= last);
        let plausible = claimed.is_none_or(|claimed| claimed.iter().all(possible));
        if !plausible {
            self.complete = Some(positions.clone());
        }
        plausible
    }

    /// Marks all alarms up to these positions as sent. Returns the positions that are complete now.
    pub(super) fn complete(&mut self, positions: &Positions) -> &Positions {
        let complete = self.complete.get_or_insert_default();
        for (stream, position) in positions {
            let known = complete.entry(stream.clone()).or_default();
            *known = (*known).max(*position);
        }
        self.beyond.retain(|(stream, ..), changed| complete.get(stream).is_none_or(|complete| *changed > *complete));
        complete
    }

    /// Returns the positions after which alarms must be read; none if earlier alarms are not needed.
    pub(super) fn floor(&self) -> Option<&Positions> {
        self.complete.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(stream: &str, position: i64) -> Change {
        changed(stream, position, position)
    }

    fn changed(stream: &str, position: i64, changed: i64) -> Change {
        let key = (stream.to_owned(), position, "reply".to_owned());
        Change { key, changed, is_withdrawal: false, is_released: false }
    }

    fn withdrawn(position: i64, at: i64) -> Change {
        Change { is_withdrawal: true, ..changed("box-0", position, at) }
    }

    fn positions(of_0: i64, of_1: i64) -> Positions {
        Positions::from([("box-0".to_owned(), of_0), ("box-1".to_owned(), of_1)])
    }

    #[test]
    fn a_lost_alarm_before_a_received_one_is_still_new() {
        let mut seen = SentAlarms::default();
        assert_eq!(seen.floor(), None, "earlier alarms are not needed");
        assert_eq!(*seen.complete(&positions(10, 700)), positions(10, 700));
        assert!(!seen.mark_sent(&key("box-0", 10)));
        assert!(seen.mark_sent(&key("box-0", 12)));
        assert!(seen.mark_sent(&key("box-0", 11)), "it was lost on the way");
        assert!(!seen.mark_sent(&key("box-0", 12)));
        assert_eq!(*seen.complete(&positions(12, 600)), positions(12, 700), "it never goes back");
        assert!(!seen.mark_sent(&key("box-0", 12)));
        assert!(!seen.mark_sent(&key("box-1", 700)));
        assert!(seen.beyond.is_empty());
    }

    #[test]
    fn a_client_ahead_of_the_log_starts_anew() {
        let mut seen = SentAlarms::claimed(positions(10, 700));
        assert!(seen.verify_claim(&positions(10, 701)));
        assert!(seen.verify_claim(&positions(1, 1)), "a claim is checked once");
        assert_eq!(seen.floor(), Some(&positions(10, 700)));
        let mut seen = SentAlarms::claimed(positions(11, 700));
        assert!(!seen.verify_claim(&positions(10, 701)));
        assert!(seen.mark_sent(&key("box-0", 11)));
    }

    #[test]
    fn a_change_is_sent_unless_a_later_one_was() {
        let mut seen = SentAlarms::after(positions(10, 700));
        assert!(seen.mark_sent(&changed("box-0", 8, 12)));
        assert!(!seen.mark_sent(&changed("box-0", 8, 11)), "it is outdated");
        assert!(seen.mark_sent(&changed("box-0", 8, 13)));
        seen.complete(&positions(13, 700));
        assert!(!seen.mark_sent(&changed("box-0", 8, 13)));
        assert!(seen.mark_sent(&changed("box-0", 8, 14)));
    }

    #[test]
    fn a_withdrawal_is_sent_only_to_a_client_with_the_alarm() {
        let mut seen = SentAlarms::after(positions(10, 700));
        assert!(seen.mark_sent(&withdrawn(9, 12)), "the client has it from an earlier connection or the list");
        assert!(!seen.mark_sent(&withdrawn(9, 12)));
        assert!(!seen.mark_sent(&withdrawn(11, 13)), "the client never had it");
        assert!(!seen.mark_sent(&key("box-0", 11)), "and a late notification does not bring it");
        assert!(seen.mark_sent(&key("box-0", 12)));
        assert!(seen.mark_sent(&withdrawn(12, 14)));
    }

    #[test]
    fn a_released_alarm_is_sent_although_later_ones_were() {
        let mut seen = SentAlarms::after(positions(10, 700));
        let released = Change { is_released: true, ..key("box-0", 5) };
        assert!(!seen.mark_sent(&key("box-0", 5)));
        assert!(seen.mark_sent(&released));
        assert!(!seen.mark_sent(&released));
    }
}
