//! Which commands were carried out lately: built from the commits themselves, so that there is nothing else to write or to lose.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};

use crate::envelope::{RecordedCommit, RequestHash};

/// The ids of one stream's commands. Held by its tail, asked before and after every decision.
#[derive(Debug)]
pub(crate) struct Index {
    window: TimeDelta,
    commands: HashMap<[u8; 16], Entry>,
    /// In the order of the log, for forgetting.
    order: VecDeque<(u64, [u8; 16])>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    sequence: u64,
    request: [u8; 16],
    at_millis: i64,
}

/// What is known of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Never seen, or too long ago.
    No,
    /// Carried out: its commit is here.
    Done(u64),
    /// The same id was used for another request.
    OtherRequest,
}

impl Index {
    pub(crate) fn new(window: TimeDelta) -> Self {
        Self { window, commands: HashMap::new(), order: VecDeque::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.commands.len()
    }

    pub(crate) fn insert(&mut self, commit: &RecordedCommit) {
        let id = commit.message_id.as_deref().and_then(key);
        let (Some(_), Some(id), Some(request)) = (&commit.command_id, id, commit.request_hash) else { return };
        let entry =
            Entry { sequence: commit.sequence, request: request.bytes(), at_millis: commit.at.timestamp_millis() };
        self.commands.insert(id, entry);
        self.order.push_back((commit.sequence, id));
        self.forget(entry.at_millis);
    }

    /// Clocks of different processes differ a little, so nothing is forgotten at the very moment.
    fn forget(&mut self, now_millis: i64) {
        let oldest = now_millis - self.window.num_milliseconds() - 600_000;
        while let Some((sequence, id)) = self.order.front().copied() {
            let entry = self.commands.get(&id).filter(|entry| entry.sequence == sequence);
            match entry {
                Some(entry) if entry.at_millis >= oldest => return,
                Some(_) => drop(self.commands.remove(&id)),
                // Used again since.
                None => {}
            }
            self.order.pop_front();
        }
    }

    pub(crate) fn look_up(&self, message_id: &str, request: RequestHash, at: DateTime<Utc>) -> Known {
        let Some(entry) = key(message_id).and_then(|id| self.commands.get(&id)) else { return Known::No };
        if at.timestamp_millis() - entry.at_millis > self.window.num_milliseconds() {
            Known::No
        } else if entry.request == request.bytes() {
            Known::Done(entry.sequence)
        } else {
            Known::OtherRequest
        }
    }
}

fn key(message_id: &str) -> Option<[u8; 16]> {
    let value = (message_id.len() == 32).then(|| u128::from_str_radix(message_id, 16).ok()).flatten()?;
    Some(value.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{log::Recorded, stream::StreamName, subject::hex};

    fn commit(sequence: u64, id: u128, at: DateTime<Utc>) -> RecordedCommit {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Msg-Id", hex(&id.to_be_bytes()).as_str());
        headers.insert("Command-Id", "key");
        headers.insert("Request-Hash", RequestHash::keyed(b"secret", &[b"body"]).to_string().as_str());
        headers.insert("Occurred-At", at.to_rfc3339().as_str());
        let subject = "box.0.b1.room".to_owned();
        let stream = StreamName::Box(0);
        let recorded =
            Recorded { stream, sequence, subject, headers: headers.into(), payload: "".into(), stored_at: at };
        RecordedCommit::parse(&recorded).unwrap()
    }

    #[test]
    fn a_command_is_known_for_as_long_as_the_window() {
        let start = DateTime::UNIX_EPOCH + TimeDelta::days(1000);
        let mut index = Index::new(TimeDelta::hours(24));
        index.insert(&commit(7, 1, start));
        let id = hex(&1_u128.to_be_bytes());
        let same = RequestHash::keyed(b"secret", &[b"body"]);
        let other = RequestHash::keyed(b"secret", &[b"another body"]);
        assert_eq!(index.look_up(&id, same, start + TimeDelta::hours(23)), Known::Done(7));
        assert_eq!(index.look_up(&id, other, start + TimeDelta::hours(23)), Known::OtherRequest);
        assert_eq!(index.look_up(&id, same, start + TimeDelta::hours(25)), Known::No);
        assert_eq!(index.look_up(&hex(&2_u128.to_be_bytes()), same, start), Known::No);
    }

    #[test]
    fn what_is_older_than_the_window_takes_no_memory() {
        let start = DateTime::UNIX_EPOCH + TimeDelta::days(1000);
        let mut index = Index::new(TimeDelta::hours(24));
        for hour in 0_u32..200 {
            index.insert(&commit(hour.into(), hour.into(), start + TimeDelta::hours(hour.into())));
        }
        assert_eq!((index.commands.len(), index.order.len()), (25, 25));
    }
}
