//! The index of recently executed commands. It is built from the commits, so that nothing else has to be written or
//! kept.
//!
//! Ages are differences of storing times, all by the server's clock. Clocks of writing processes do not matter.

use std::collections::{HashMap, VecDeque};

use chrono::TimeDelta;

use crate::codec::envelope::{RecordedCommit, RequestHash};

/// The ids of one stream's commands. Held by its tail, queried before and after every decision.
#[derive(Debug)]
pub(crate) struct Index {
    window: TimeDelta,
    commands: HashMap<[u8; 16], Entry>,
    /// The ids in the order of the log, for removal.
    order: VecDeque<(u64, [u8; 16])>,
    /// The latest storing time so far. Ages are relative to it.
    newest_millis: i64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    sequence: u64,
    request: [u8; 16],
    stored_millis: i64,
}

/// The index's knowledge of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommandLookup {
    /// Never executed, or outside the window.
    No,
    /// Executed by the commit with this sequence.
    Done(u64),
    /// The same id was used for another request.
    OtherRequest,
}

impl Index {
    pub(crate) fn new(window: TimeDelta) -> Self {
        Self { window, commands: HashMap::new(), order: VecDeque::new(), newest_millis: i64::MIN }
    }

    pub(crate) fn len(&self) -> usize {
        self.commands.len()
    }

    pub(crate) fn insert(&mut self, commit: &RecordedCommit) {
        let stored_millis = commit.stored_at.timestamp_millis();
        self.newest_millis = self.newest_millis.max(stored_millis);
        self.evict();
        let id = commit.message_id.as_deref().and_then(key);
        let (Some(_), Some(id), Some(request)) = (&commit.command_id, id, commit.request_hash) else { return };
        self.commands.insert(id, Entry { sequence: commit.sequence, request: request.bytes(), stored_millis });
        self.order.push_back((commit.sequence, id));
    }

    /// Removes commands stored before the window.
    fn evict(&mut self) {
        let oldest = self.newest_millis.saturating_sub(self.window.num_milliseconds());
        while let Some((sequence, id)) = self.order.front().copied() {
            let entry = self.commands.get(&id).filter(|entry| entry.sequence == sequence);
            match entry {
                Some(entry) if entry.stored_millis >= oldest => return,
                Some(_) => drop(self.commands.remove(&id)),
                // The id was used again since.
                None => {}
            }
            self.order.pop_front();
        }
    }

    pub(crate) fn look_up(&self, message_id: &str, request: RequestHash) -> CommandLookup {
        match key(message_id).and_then(|id| self.commands.get(&id)) {
            None => CommandLookup::No,
            Some(entry) if entry.request == request.bytes() => CommandLookup::Done(entry.sequence),
            Some(_) => CommandLookup::OtherRequest,
        }
    }
}

fn key(message_id: &str) -> Option<[u8; 16]> {
    let value = (message_id.len() == 32).then(|| u128::from_str_radix(message_id, 16).ok()).flatten()?;
    Some(value.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::log::Recorded;
    use wire::{StreamName, subject::hex};

    fn commit(sequence: u64, id: u128, stored_at: DateTime<Utc>) -> RecordedCommit {
        commit_of_clock(sequence, id, stored_at, stored_at)
    }

    /// A commit with separate times of the server's and the writer's clock.
    fn commit_of_clock(sequence: u64, id: u128, stored_at: DateTime<Utc>, at: DateTime<Utc>) -> RecordedCommit {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Msg-Id", hex(&id.to_be_bytes()).as_str());
        headers.insert("Command-Id", "key");
        headers.insert("Request-Hash", RequestHash::keyed(b"secret", &[b"body"]).to_string().as_str());
        headers.insert("Occurred-At", at.to_rfc3339().as_str());
        let subject = "box.0.b1.room".to_owned();
        let stream = StreamName::Box(0);
        let recorded = Recorded { stream, sequence, subject, headers: headers.into(), payload: "".into(), stored_at };
        RecordedCommit::parse(&recorded).unwrap()
    }

    #[test]
    fn a_command_is_known_for_the_length_of_the_window() {
        let start = DateTime::UNIX_EPOCH + TimeDelta::days(1000);
        let mut index = Index::new(TimeDelta::hours(24));
        index.insert(&commit(7, 1, start));
        let id = hex(&1_u128.to_be_bytes());
        let same = RequestHash::keyed(b"secret", &[b"body"]);
        let other = RequestHash::keyed(b"secret", &[b"another body"]);
        assert_eq!(index.look_up(&hex(&2_u128.to_be_bytes()), same), CommandLookup::No);
        index.insert(&commit(8, 8, start + TimeDelta::hours(23)));
        assert_eq!(index.look_up(&id, same), CommandLookup::Done(7));
        assert_eq!(index.look_up(&id, other), CommandLookup::OtherRequest);
        index.insert(&commit(9, 9, start + TimeDelta::hours(25)));
        assert_eq!(index.look_up(&id, same), CommandLookup::No);
    }

    #[test]
    fn a_writer_with_a_wrong_clock_removes_no_entry() {
        let start = DateTime::UNIX_EPOCH + TimeDelta::days(1000);
        let same = RequestHash::keyed(b"secret", &[b"body"]);
        for wrong in [TimeDelta::hours(25), TimeDelta::hours(-25)] {
            let mut index = Index::new(TimeDelta::hours(24));
            index.insert(&commit(1, 1, start));
            index.insert(&commit_of_clock(2, 2, start + TimeDelta::minutes(25), start + wrong));
            index.insert(&commit(3, 3, start + TimeDelta::minutes(26)));
            for (id, sequence) in [(1_u128, 1), (2, 2), (3, 3)] {
                assert_eq!(index.look_up(&hex(&id.to_be_bytes()), same), CommandLookup::Done(sequence), "{wrong}");
            }
        }
    }

    #[test]
    fn entries_older_than_the_window_are_removed() {
        let start = DateTime::UNIX_EPOCH + TimeDelta::days(1000);
        let mut index = Index::new(TimeDelta::hours(24));
        for hour in 0_u32..200 {
            index.insert(&commit(hour.into(), hour.into(), start + TimeDelta::hours(hour.into())));
        }
        assert_eq!((index.commands.len(), index.order.len()), (25, 25));
    }
}
