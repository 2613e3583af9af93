//! The messages of each room that have not reached all members yet.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The begin of a mark in the text of a message.
pub(crate) const MARK: &[u8] = b"=#";

/// The rest of a message: it has the length of an ordinary one.
const FILL: &str =
    "Hello there, this is an ordinary chat message, like those that people write to each other every day.";

/// The place of a message: the index of its room, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) room: usize,
    pub(crate) number: u64,
}

impl Mark {
    /// Returns the text of a message with this mark. It needs no escaping.
    pub(crate) fn text(self) -> String {
        format!("=#{:05}:{:010}; {FILL}", self.room, self.number)
    }

    /// Parses what follows [`MARK`].
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<u64>().ok();
        let (room, rest) = bytes.split_at_checked(5)?;
        let digits = rest.strip_prefix(b":")?.get(..10)?;
        Some(Self { room: usize::try_from(number(room)?).ok()?, number: number(digits)? })
    }
}

/// All rooms of a run.
#[derive(Debug)]
pub(crate) struct Rooms {
    all: Vec<Room>,
    members: usize,
    /// Frames that repeat a delivered message.
    pub(crate) repeated: u64,
}

#[derive(Debug, Clone, Default)]
struct Room {
    /// The number of the first message in `outstanding`.
    first: u64,
    outstanding: VecDeque<Outstanding>,
}

#[derive(Debug, Clone, Copy)]
struct Outstanding {
    since: Instant,
    /// The number of members that do not have it.
    missing: usize,
}

/// The delivery of a message to a member.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delivery {
    pub(crate) latency: Duration,
    /// True if every member has the message now.
    pub(crate) is_last: bool,
}

impl Rooms {
    pub(crate) fn new(rooms: usize, members: usize) -> Self {
        Self { all: vec![Room::default(); rooms], members, repeated: 0 }
    }

    /// The number of rooms.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Adds a message to a room. Its latency counts from `since`.
    pub(crate) fn post(&mut self, room: usize, since: Instant) -> Mark {
        let missing = self.members;
        let posts = &mut self.all[room];
        posts.outstanding.push_back(Outstanding { since, missing });
        Mark { room, number: posts.first + posts.outstanding.len() as u64 - 1 }
    }

    /// Counts a message that a member has received.
    pub(crate) fn deliver(&mut self, mark: Mark, at: Instant) -> Option<Delivery> {
        let room = self.all.get_mut(mark.room)?;
        let index = mark.number.checked_sub(room.first).and_then(|index| usize::try_from(index).ok());
        let outstanding = index.and_then(|index| room.outstanding.get_mut(index)).filter(|post| post.missing > 0);
        let Some(outstanding) = outstanding else {
            self.repeated += 1;
            return None;
        };
        outstanding.missing -= 1;
        let delivery =
            Delivery { latency: at.saturating_duration_since(outstanding.since), is_last: outstanding.missing == 0 };
        while room.outstanding.front().is_some_and(|post| post.missing == 0) {
            room.outstanding.pop_front();
            room.first += 1;
        }
        Some(delivery)
    }

    /// The number of messages posted to each room.
    pub(crate) fn posted(&self) -> Vec<u64> {
        self.all.iter().map(|room| room.first + room.outstanding.len() as u64).collect()
    }

    /// The number of deliveries that are missing.
    pub(crate) fn missing(&self) -> u64 {
        self.all.iter().flat_map(|room| &room.outstanding).map(|post| post.missing as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_in_the_text_of_its_message() {
        let mark = Mark { room: 7, number: 1_234 };
        let text = mark.text();
        assert_eq!(Mark::parse(text.strip_prefix("=#").unwrap().as_bytes()), Some(mark));
        assert_eq!(Mark::parse(b"00001:12"), None);
    }

    #[test]
    fn a_message_is_outstanding_until_every_member_has_it_once() {
        let (mut rooms, now) = (Rooms::new(1, 2), Instant::now());
        let [first, second] = [rooms.post(0, now), rooms.post(0, now)];
        assert!(!rooms.deliver(second, now).unwrap().is_last);
        assert!(!rooms.deliver(first, now).unwrap().is_last);
        assert!(rooms.deliver(first, now).unwrap().is_last);
        assert!(rooms.deliver(first, now).is_none());
        assert_eq!((rooms.posted(), rooms.missing(), rooms.repeated), (vec![2], 1, 1));
    }
}
