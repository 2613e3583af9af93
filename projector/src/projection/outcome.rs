//! The changes of a batch: its new rows, and the changes of users' own view of rooms.

use std::collections::BTreeSet;

use domain::{MessageId, RoomId, UserId};
use serde::Serialize;

use super::tables::{Alarm, FeedRow};

/// The changes of a batch that subscribers are notified of.
#[derive(Debug, Default)]
pub struct Changes {
    /// New rows of rooms' feeds, in the order of the log.
    pub feed: Vec<FeedRow>,
    /// New, changed and withdrawn alarms, in the order of the log.
    pub alarms: Vec<Alarm>,
    /// The same of boxes that were released from quarantine: their positions are lower than those before.
    pub released_alarms: Vec<Alarm>,
    /// The users whose alarms must be read again: of erased authors, or marked as read.
    pub stale_alarms: BTreeSet<UserId>,
    /// The changes of users' own view of rooms.
    pub room_changes: Vec<RoomChange>,
    /// The rooms whose public details have changed, in the order of the log.
    pub lobby: Vec<LobbyChange>,
}

impl Changes {
    /// Appends the changes of a later batch.
    pub(crate) fn extend(&mut self, later: Self) {
        let Self { feed, alarms, released_alarms, stale_alarms, room_changes, lobby } = later;
        self.feed.extend(feed);
        self.alarms.extend(alarms);
        self.released_alarms.extend(released_alarms);
        self.stale_alarms.extend(stale_alarms);
        self.room_changes.extend(room_changes);
        self.lobby.extend(lobby);
    }

    /// Marks the changes as those of a box that was released from quarantine.
    pub(crate) fn of_release(mut self) -> Self {
        self.released_alarms.append(&mut self.alarms);
        self
    }
}

/// A change of users' own view of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum RoomChange {
    /// New versions of the room's feed, with the facts that change unread counts.
    Counts {
        /// The room.
        room_id: RoomId,
        /// The version before the first one.
        after_v: i64,
        /// The last version.
        v: i64,
        /// The facts, in the order of versions. Versions without a fact change no count.
        facts: Vec<CountFact>,
    },
    /// The read marker of a user has moved.
    Marker {
        /// The room.
        room_id: RoomId,
        /// The reader.
        user_id: UserId,
        /// The last message read.
        message_id: MessageId,
    },
    /// A user has entered or left the room, or was inside when it closed.
    Membership {
        /// The room.
        room_id: RoomId,
        /// The user.
        user_id: UserId,
    },
}

/// A hint that the public details of a room have changed, for clients that follow the open rooms of an area.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LobbyChange {
    /// The room.
    pub room_id: RoomId,
    /// The postal code of the room.
    pub zip_code: String,
    /// The latitude of the box in degrees.
    pub latitude: f64,
    /// The longitude of the box in degrees.
    pub longitude: f64,
}

/// A change of the messages that count as unread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CountFact {
    /// The version of its event in the feed.
    pub v: i64,
    /// The message. Later messages of a room have higher ids.
    pub message_id: MessageId,
    /// The author, whose own messages never count.
    pub author: UserId,
    /// True if the message was deleted, false if it was posted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}
