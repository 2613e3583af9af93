//! The rooms of a search, in batches: the last active first, until no other room can have newer results.

use chrono::{DateTime, TimeDelta, Utc};

/// The number of rooms in the first batch, and the factor by which batches grow.
const FIRST: usize = 20;
const GROWTH: usize = 4;

/// The maximum number of rooms in a batch.
const MAX: usize = 640;

/// The number of messages in a batch from which a common word is searched in the newest weeks first.
const MANY_MESSAGES: u64 = 10_000;

/// The number of results that are too many to be read and sorted.
const MANY_RESULTS: u64 = 2_000;

/// The time by which a message may be later than the activity of its room: the clocks of services differ.
pub(super) const CLOCK_SLACK: TimeDelta = TimeDelta::minutes(1);

/// A room that the user may read.
#[derive(Debug)]
pub(super) struct SearchedRoom {
    pub(super) room_id: String,
    pub(super) last_activity_at: DateTime<Utc>,
    /// The ordinal of the last message.
    pub(super) last_ordinal: i64,
}

impl SearchedRoom {
    /// Returns a time after which the room has no message.
    pub(super) fn newest(&self) -> DateTime<Utc> {
        self.last_activity_at + CLOCK_SLACK
    }
}

/// Rooms that are searched together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch<'a>(pub(super) &'a [SearchedRoom]);

impl Batch<'_> {
    /// Returns the rooms that may have a message from a time on.
    pub(super) fn since(self, time: Option<DateTime<Utc>>) -> Self {
        Self(&self.0[..self.0.partition_point(|room| Some(room.newest()) >= time)])
    }

    /// Returns a time after which no room of the batch has a message.
    pub(super) fn newest(&self) -> Option<DateTime<Utc>> {
        self.0.first().map(SearchedRoom::newest)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of messages, deleted ones included.
    pub(super) fn message_count(&self) -> u64 {
        self.0.iter().map(|room| room.last_ordinal.unsigned_abs()).sum()
    }

    /// Returns true if a common word would find too many messages.
    pub(super) fn is_large(&self) -> bool {
        self.message_count() > MANY_MESSAGES
    }

    /// Returns true if words that were found so often in so many messages may be found in too many of this batch.
    pub(super) fn expects_many(&self, found: usize, searched: u64) -> bool {
        let found = u64::try_from(found).unwrap_or(u64::MAX).saturating_add(1);
        found.saturating_mul(self.message_count()) / (searched + 1) > MANY_RESULTS
    }
}

/// Divides rooms into batches.
pub(super) fn batches(rooms: &[SearchedRoom]) -> impl Iterator<Item = Batch<'_>> {
    let (mut rest, mut size) = (rooms, FIRST);
    std::iter::from_fn(move || {
        let (batch, later) = rest.split_at(size.min(rest.len()));
        (rest, size) = (later, (size * GROWTH).min(MAX));
        Some(Batch(batch)).filter(|batch| !batch.0.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(count: i64, messages: i64) -> Vec<SearchedRoom> {
        let room = |number: i64| SearchedRoom {
            room_id: format!("b.{number}"),
            last_activity_at: DateTime::UNIX_EPOCH - TimeDelta::hours(number),
            last_ordinal: messages,
        };
        (0..count).map(room).collect()
    }

    #[test]
    fn batches_grow_and_cover_all_rooms() {
        let rooms = rooms(2_000, 100);
        let sizes: Vec<usize> = batches(&rooms).map(|batch| batch.0.len()).collect();
        assert_eq!(sizes, [20, 80, 320, 640, 640, 300]);
        assert_eq!(batches(&[]).count(), 0);
        let second = batches(&rooms).nth(1).unwrap();
        assert_eq!(second.newest().unwrap(), rooms[20].last_activity_at + CLOCK_SLACK);
    }

    #[test]
    fn a_batch_of_many_messages_is_large() {
        assert!(!batches(&rooms(20, 500)).next().unwrap().is_large());
        assert!(batches(&rooms(20, 501)).next().unwrap().is_large());
        assert!(batches(&rooms(1, 1_000_000)).next().unwrap().is_large());
    }

    #[test]
    fn results_are_expected_as_often_as_before() {
        let [small, huge] = [rooms(420, 100), rooms(1, 500_000)];
        let [first, _, third] = [0, 1, 2].map(|number| batches(&small).nth(number).unwrap());
        assert!(!first.expects_many(0, 0), "2,000 messages are not too many");
        assert!(batches(&huge).next().unwrap().expects_many(0, 0), "nothing is known yet");
        assert!(!third.expects_many(100, 10_000), "a hundredth");
        assert!(third.expects_many(1_000, 10_000), "a tenth");
        assert!(third.expects_many(40, 40), "every message");
    }

    #[test]
    fn rooms_that_were_active_too_early_are_left_out() {
        let rooms = rooms(20, 100);
        let batch = batches(&rooms).next().unwrap();
        assert_eq!(batch.since(None).0.len(), 20);
        assert_eq!(batch.since(Some(rooms[4].newest())).0.len(), 5);
        assert!(batch.since(Some(rooms[0].newest() + TimeDelta::seconds(1))).is_empty());
    }
}
