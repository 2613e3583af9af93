//! Which alarms of one user have been told, so that each is told once, whether it was heard or read.

use std::collections::{BTreeMap, BTreeSet};

/// How far each stream has come: its label and a sequence.
pub(super) type Positions = BTreeMap<String, i64>;

/// What an alarm is known by, beside its user: stream, sequence and kind of what it is about.
pub(super) type Key = (String, i64, String);

/// The alarms of one user that have been told.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Everything up to these positions was told, or is older than the first connection; none yet at the start.
    complete: Option<Positions>,
    /// What was told beyond; something before it may be missing.
    beyond: BTreeSet<Key>,
}

impl Seen {
    /// Whether this alarm was not told yet; it is now.
    pub(super) fn is_news(&mut self, key: Key) -> bool {
        let complete = self.complete.as_ref().and_then(|complete| complete.get(&key.0));
        complete.is_none_or(|complete| key.1 > *complete) && self.beyond.insert(key)
    }

    /// Everything up to these positions was read and told.
    pub(super) fn complete(&mut self, positions: &Positions) {
        let complete = self.complete.get_or_insert_default();
        for (stream, position) in positions {
            let known = complete.entry(stream.clone()).or_default();
            *known = (*known).max(*position);
        }
        self.beyond.retain(|(stream, position, _)| complete.get(stream).is_none_or(|complete| position > complete));
    }

    /// The sequence up to which no stream needs to be read; none if nothing needs to be read at all.
    pub(super) fn floor(&self) -> Option<i64> {
        self.complete.as_ref()?.values().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(stream: &str, position: i64) -> Key {
        (stream.to_owned(), position, "reply".to_owned())
    }

    #[test]
    fn what_was_lost_before_something_heard_is_still_news() {
        let mut seen = Seen::default();
        assert_eq!(seen.floor(), None, "nobody waits for what was before");
        seen.complete(&Positions::from([("box-0".to_owned(), 10), ("box-1".to_owned(), 700)]));
        assert_eq!(seen.floor(), Some(10));
        assert!(!seen.is_news(key("box-0", 10)));
        assert!(!seen.is_news(key("box-1", 11)));
        assert!(seen.is_news(key("box-0", 12)));
        assert!(seen.is_news(key("box-0", 11)), "it was lost on the way");
        assert!(!seen.is_news(key("box-0", 12)));
        seen.complete(&Positions::from([("box-0".to_owned(), 12), ("box-1".to_owned(), 600)]));
        assert!(!seen.is_news(key("box-0", 12)));
        assert!(!seen.is_news(key("box-1", 700)), "it never goes back");
        assert!(seen.beyond.is_empty());
    }
}
