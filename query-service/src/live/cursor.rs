//! The cursor of a client: its position in all its rooms and in its alarms. Opaque to the client, valid at every
//! instance and after every restart, and only for its user.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use domain::{RoomId, UserId};
use serde::Deserialize;

use super::{frames::RoomFrom, limits::MAX_ROOMS, sent_alarms::Positions};
use crate::cursor;

/// The maximum length in bytes: ids of 50 bytes and versions of 10 digits for all rooms, in base64, and positions.
pub(crate) const MAX_LENGTH: usize = 24_000;

/// A version beyond every feed: a client that resumes after it gets a reset.
pub(super) const UNKNOWN_VERSION: i64 = i64::MAX;

/// The name of the cursor's list. Versions are comparable within one feed epoch only.
static FEEDS: LazyLock<String> = LazyLock::new(|| feeds_of(read_model::FEED_EPOCH));

fn feeds_of(epoch: u32) -> String {
    format!("feeds {epoch}")
}

/// The position of a user's client.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Cursor {
    user: UserId,
    /// The last version that the client has of each room.
    rooms: BTreeMap<RoomId, i64>,
    /// The position in each stream up to which the client has all alarms; none if it was unknown.
    alarms: Option<Positions>,
    /// The incarnations of the log, as one hash.
    incarnation: String,
}

/// Encodes the cursor that a client sends to resume.
pub(super) fn encode(
    user: &UserId,
    rooms: &BTreeMap<&RoomId, i64>,
    alarms: Option<&Positions>,
    incarnation: &str,
) -> String {
    cursor::encode(&FEEDS, &(user, rooms, alarms, incarnation))
}

impl Cursor {
    /// Decodes a cursor. Returns none if it belongs to another user or another feed epoch, or is malformed.
    pub(crate) fn decode(text: &str, user: &UserId) -> Option<Self> {
        let cursor: Self = cursor::decode_within(MAX_LENGTH, &FEEDS, text).ok()?;
        let usable = cursor.rooms.len() <= MAX_ROOMS && cursor.rooms.values().all(|v| (0..UNKNOWN_VERSION).contains(v));
        Some(cursor).filter(|cursor| usable && cursor.user == *user)
    }

    /// Returns true if the cursor is of this log. Versions and positions of another log have no meaning here.
    pub(crate) fn is_of_log(&self, incarnation: &str) -> bool {
        self.incarnation == incarnation
    }

    /// Returns the last version that the client has of a room.
    pub(crate) fn version(&self, room: &RoomId) -> Option<i64> {
        self.rooms.get(room).copied()
    }
}

/// The starting point of a connection.
#[derive(Debug)]
pub(super) struct StartPosition {
    pub(super) rooms: Vec<RoomFrom>,
    pub(super) alarms: AlarmsFrom,
    /// The incarnations of the log that it refers to, as one hash.
    pub(super) incarnation: Arc<str>,
}

/// The starting point of a user's alarms.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AlarmsFrom {
    /// New alarms only.
    Now,
    /// Alarms after these positions of the streams.
    After(Positions),
    /// New alarms only, and a reset: the client's own position is unknown.
    Unknown,
}

impl StartPosition {
    /// Combines a client's cursor and versions. A room without a version resumes after the cursor's version, if the
    /// cursor has the room. An invalid cursor resets all such rooms, so that the client notices that it may have missed
    /// events. A cursor of another log resets all rooms, as the client's versions are of that log as well.
    pub(super) fn of(cursor: Option<&str>, user: &UserId, rooms: Vec<RoomFrom>, incarnation: Arc<str>) -> Self {
        let Some(text) = cursor else { return Self { rooms, alarms: AlarmsFrom::Now, incarnation } };
        let cursor = Cursor::decode(text, user);
        if cursor.as_ref().is_some_and(|cursor| !cursor.is_of_log(&incarnation)) {
            let rooms = rooms
                .into_iter()
                .map(|RoomFrom { room_id, .. }| RoomFrom { room_id, v: Some(UNKNOWN_VERSION) })
                .collect();
            return Self { rooms, alarms: AlarmsFrom::Unknown, incarnation };
        }
        let start = |room: &RoomId| cursor.as_ref().map_or(Some(UNKNOWN_VERSION), |cursor| cursor.version(room));
        let rooms = rooms.into_iter().map(|RoomFrom { room_id, v }| {
            let v = v.or_else(|| start(&room_id));
            RoomFrom { room_id, v }
        });
        let rooms = rooms.collect();
        let alarms = cursor.and_then(|cursor| cursor.alarms).map_or(AlarmsFrom::Unknown, AlarmsFrom::After);
        Self { rooms, alarms, incarnation }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ben() -> UserId {
        "ben".parse().unwrap()
    }

    fn room(text: &str) -> RoomId {
        text.parse().unwrap()
    }

    fn begin(cursor: Option<&str>, rooms: &[(&str, Option<i64>)]) -> (Vec<Option<i64>>, AlarmsFrom) {
        let rooms = rooms.iter().map(|(id, v)| RoomFrom { room_id: room(id), v: *v }).collect();
        let start = StartPosition::of(cursor, &ben(), rooms, "this".into());
        (start.rooms.into_iter().map(|room| room.v).collect(), start.alarms)
    }

    #[test]
    fn a_cursor_holds_the_positions_of_each_room_and_the_alarms() {
        let (one, two) = (room("b.1"), room("b.2"));
        let positions = Positions::from([("box-0".to_owned(), 41)]);
        let text = encode(&ben(), &BTreeMap::from([(&one, 8), (&two, 0)]), Some(&positions), "this");
        let wanted = [("b.2", None), ("b.1", None), ("b.3", None), ("b.1", Some(3))];
        assert_eq!(
            begin(Some(&text), &wanted),
            (vec![Some(0), Some(8), None, Some(3)], AlarmsFrom::After(positions)),
            "a version that is given wins"
        );
        assert_eq!(begin(None, &[("b.1", None)]), (vec![None], AlarmsFrom::Now));
        let without = encode(&ben(), &BTreeMap::from([(&one, 8)]), None, "this");
        assert_eq!(begin(Some(&without), &[("b.1", None)]), (vec![Some(8)], AlarmsFrom::Unknown));
    }

    #[test]
    fn a_cursor_of_other_feeds_or_another_user_has_no_position() {
        let one = room("b.1");
        let key = (ben(), BTreeMap::from([(&one, 7)]), Some(Positions::new()), "this");
        let other_feeds = cursor::encode(&feeds_of(read_model::FEED_EPOCH + 1), &key);
        let of_ana = encode(&"ana".parse().unwrap(), &key.1, None, "this");
        let before_all = encode(&ben(), &BTreeMap::from([(&one, -1)]), None, "this");
        let many: Vec<RoomId> = (1..=MAX_ROOMS + 1).map(|number| room(&format!("b.{number}"))).collect();
        let too_many = encode(&ben(), &many.iter().map(|room| (room, 1)).collect(), None, "this");
        let long = "A".repeat(MAX_LENGTH + 1);
        for strange in [&other_feeds, &of_ana, &before_all, &too_many, "", "%", "AAAA", &long] {
            let start = begin(Some(strange), &[("b.1", None), ("b.2", Some(4))]);
            assert_eq!(start, (vec![Some(UNKNOWN_VERSION), Some(4)], AlarmsFrom::Unknown), "{strange}");
        }
    }

    #[test]
    fn a_cursor_of_another_incarnation_has_no_position_even_with_a_version() {
        let one = room("b.1");
        let text = encode(&ben(), &BTreeMap::from([(&one, 7)]), Some(&Positions::new()), "another");
        let start = begin(Some(&text), &[("b.1", None), ("b.1", Some(4))]);
        assert_eq!(start, (vec![Some(UNKNOWN_VERSION); 2], AlarmsFrom::Unknown));
    }

    #[test]
    fn the_longest_cursor_is_within_the_limit() {
        let last = |number: usize| room(&format!("{}.{}", "b".repeat(40), 999_999_999 - number));
        let rooms: Vec<RoomId> = (0..MAX_ROOMS).map(last).collect();
        let positions: Positions = (0..64).map(|number| (format!("box-{number}"), 99_999_999_999)).collect();
        let user: UserId = "u".repeat(40).parse().unwrap();
        let text =
            encode(&user, &rooms.iter().map(|room| (room, 9_999_999_999)).collect(), Some(&positions), &"f".repeat(32));
        assert!(Cursor::decode(&text, &user).is_some(), "{}", text.len());
    }
}
