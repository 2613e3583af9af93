//! Which alarms of its user one connection has been told, so that each is told once, whether it was heard or read.

use std::collections::{BTreeMap, BTreeSet};

/// How far each stream has come: its label and a sequence.
pub(super) type Positions = BTreeMap<String, i64>;

/// What an alarm is known by, beside its user: stream, sequence and kind of what it is about.
pub(super) type Key = (String, i64, String);

/// The alarms that one connection has been told.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Everything up to these positions was told, or is older than the connection; none if that is not known yet.
    complete: Option<Positions>,
    /// What was told beyond; something before it may be missing.
    beyond: BTreeSet<Key>,
    /// The positions are a client's word, and were not compared with the log yet.
    unproven: bool,
}

impl Seen {
    /// For a connection that begins at these positions.
    pub(super) fn after(complete: Positions) -> Self {
        Self { complete: Some(complete), ..Self::default() }
    }

    /// For a connection whose client says that it has everything up to these positions.
    pub(super) fn claimed(complete: Positions) -> Self {
        Self { unproven: true, ..Self::after(complete) }
    }

    /// Whether this alarm was not told yet; it is now.
    pub(super) fn is_news(&mut self, key: &Key) -> bool {
        let complete = self.complete.as_ref().and_then(|complete| complete.get(&key.0));
        complete.is_none_or(|complete| key.1 > *complete) && self.beyond.insert(key.clone())
    }

    /// Looks at a client's word when it is known how far the streams have come. False if the client cannot have got that
    /// far there: then it has seen another log, and begins with this one now.
    pub(super) fn prove(&mut self, positions: &Positions) -> bool {
        let claimed = self.complete.as_ref().filter(|_| std::mem::take(&mut self.unproven));
        let possible = |(stream, claimed): (&String, &i64)| positions.get(stream).is_some_and(|last| claimed <= last);
        let honest = claimed.is_none_or(|claimed| claimed.iter().all(possible));
        if !honest {
            self.complete = Some(positions.clone());
        }
        honest
    }

    /// Everything up to these positions was read and told. Returns up to where that is so now.
    pub(super) fn complete(&mut self, positions: &Positions) -> &Positions {
        let complete = self.complete.get_or_insert_default();
        for (stream, position) in positions {
            let known = complete.entry(stream.clone()).or_default();
            *known = (*known).max(*position);
        }
        self.beyond.retain(|(stream, position, _)| complete.get(stream).is_none_or(|complete| position > complete));
        complete
    }

    /// After which positions alarms have to be read; none if it does not matter what was before.
    pub(super) fn floor(&self) -> Option<&Positions> {
        self.complete.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(stream: &str, position: i64) -> Key {
        (stream.to_owned(), position, "reply".to_owned())
    }

    fn positions(of_0: i64, of_1: i64) -> Positions {
        Positions::from([("box-0".to_owned(), of_0), ("box-1".to_owned(), of_1)])
    }

    #[test]
    fn what_was_lost_before_something_heard_is_still_news() {
        let mut seen = Seen::default();
        assert_eq!(seen.floor(), None, "nobody waits for what was before");
        assert_eq!(*seen.complete(&positions(10, 700)), positions(10, 700));
        assert!(!seen.is_news(&key("box-0", 10)));
        assert!(seen.is_news(&key("box-0", 12)));
        assert!(seen.is_news(&key("box-0", 11)), "it was lost on the way");
        assert!(!seen.is_news(&key("box-0", 12)));
        assert_eq!(*seen.complete(&positions(12, 600)), positions(12, 700), "it never goes back");
        assert!(!seen.is_news(&key("box-0", 12)));
        assert!(!seen.is_news(&key("box-1", 700)));
        assert!(seen.beyond.is_empty());
    }

    #[test]
    fn a_client_that_knows_more_than_the_log_begins_anew() {
        let mut seen = Seen::claimed(positions(10, 700));
        assert!(seen.prove(&positions(10, 701)));
        assert!(seen.prove(&positions(1, 1)), "a word is looked at once");
        assert_eq!(seen.floor(), Some(&positions(10, 700)));
        let mut seen = Seen::claimed(positions(11, 700));
        assert!(!seen.prove(&positions(10, 701)));
        assert!(seen.is_news(&key("box-0", 11)));
    }
}
