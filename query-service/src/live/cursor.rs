//! How far a client has come in all its rooms: opaque to it, and good at every instance and after every restart.

use std::{collections::BTreeMap, sync::LazyLock};

use domain::RoomId;

use super::{frames::RoomFrom, subscriptions::MAX_ROOMS};
use crate::cursor;

/// The longest that is looked at: ids of 50 bytes and versions of 10 digits for all rooms, in base64.
const MAX_LENGTH: usize = 20_000;

/// A version that no feed has come to: whoever asks for what follows it is told to begin anew.
pub(super) const NOWHERE: i64 = i64::MAX;

/// Versions count alike only where the read model is the same.
static FEEDS: LazyLock<String> = LazyLock::new(|| format!("feeds {}", read_model::version()));

/// The last version that a client has of each room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cursor(BTreeMap<RoomId, i64>);

impl Cursor {
    /// The cursor in what a client gave back; none if it is not one of these feeds.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let rooms: BTreeMap<RoomId, i64> = cursor::decode_within(MAX_LENGTH, &FEEDS, text).ok()?;
        let usable = rooms.len() <= MAX_ROOMS && rooms.values().all(|v| (0..NOWHERE).contains(v));
        usable.then_some(Self(rooms))
    }

    /// What a client is to give back.
    pub(super) fn encode(&self) -> String {
        cursor::encode(&FEEDS, &self.0)
    }

    /// Notes the last version that the client has of a room.
    pub(super) fn set(&mut self, room: RoomId, v: i64) {
        self.0.insert(room, v);
    }

    /// Where each of these rooms begins for a client with this cursor: after its version if the cursor has the room, else
    /// from now on. Without a cursor all begin now; with one that cannot be read all are reset, so that the client learns
    /// that it may have missed something.
    pub(super) fn beginnings(text: Option<&str>, rooms: Vec<RoomId>) -> Vec<RoomFrom> {
        let known = text.map(Self::decode);
        let begins = |room: &RoomId| match &known {
            None => None,
            Some(None) => Some(NOWHERE),
            Some(Some(cursor)) => cursor.0.get(room).copied(),
        };
        rooms.into_iter().map(|room| RoomFrom { v: begins(&room), id: room }).collect()
    }

    /// The cursor of a client that is told to begin there.
    pub(super) fn before(beginnings: &[RoomFrom]) -> Self {
        let known = beginnings.iter().filter_map(|RoomFrom { id, v }| Some((id.clone(), (*v)?)));
        Self(known.filter(|(_, v)| *v < NOWHERE).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(text: &str) -> RoomId {
        text.parse().unwrap()
    }

    fn versions(text: Option<&str>, rooms: &[&str]) -> Vec<Option<i64>> {
        let rooms = rooms.iter().map(|text| room(text)).collect();
        Cursor::beginnings(text, rooms).into_iter().map(|begins| begins.v).collect()
    }

    #[test]
    fn a_cursor_says_where_each_room_goes_on() {
        let mut cursor = Cursor::default();
        cursor.set(room("b.1"), 7);
        cursor.set(room("b.2"), 0);
        cursor.set(room("b.1"), 8);
        let text = cursor.encode();
        assert_eq!(Cursor::decode(&text), Some(cursor));
        assert_eq!(versions(Some(&text), &["b.2", "b.1", "b.3"]), [Some(0), Some(8), None]);
        assert_eq!(versions(None, &["b.1"]), [None]);
    }

    #[test]
    fn what_is_no_cursor_of_these_feeds_begins_nowhere() {
        let key = BTreeMap::from([(room("b.1"), 7)]);
        let other_feeds = cursor::encode("feeds 00000000000000000000000000000000", &key);
        let before_all = cursor::encode(&FEEDS, &BTreeMap::from([(room("b.1"), -1)]));
        let too_many: BTreeMap<_, _> = (1..=MAX_ROOMS + 1).map(|number| (room(&format!("b.{number}")), 1)).collect();
        let too_many = cursor::encode(&FEEDS, &too_many);
        for strange in [&other_feeds, &before_all, &too_many, "", "%", "AAAA", &"A".repeat(MAX_LENGTH + 1)] {
            let begins = Cursor::beginnings(Some(strange), vec![room("b.1")]);
            assert_eq!(begins[0].v, Some(NOWHERE), "{strange}");
            assert_eq!(Cursor::before(&begins), Cursor::default());
        }
    }

    #[test]
    fn the_longest_cursor_is_not_too_long() {
        let last = |number: usize| room(&format!("{}.{}", "b".repeat(40), 999_999_999 - number));
        let cursor = Cursor((0..MAX_ROOMS).map(|number| (last(number), 9_999_999_999)).collect());
        assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
    }
}
