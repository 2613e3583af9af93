//! The changes of a batch: its new rows, and the users whose own view of rooms has changed.

use std::collections::BTreeSet;

use domain::{RoomId, UserId};
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
    /// The users whose own view of rooms has changed.
    pub room_changes: BTreeSet<RoomChange>,
}

impl Changes {
    /// Appends the changes of a later batch.
    pub(crate) fn extend(&mut self, later: Self) {
        let Self { feed, alarms, released_alarms, stale_alarms, room_changes } = later;
        self.feed.extend(feed);
        self.alarms.extend(alarms);
        self.released_alarms.extend(released_alarms);
        self.stale_alarms.extend(stale_alarms);
        self.room_changes.extend(room_changes);
    }

    /// Marks the changes as those of a box that was released from quarantine.
    pub(crate) fn of_release(mut self) -> Self {
        self.released_alarms.append(&mut self.alarms);
        self
    }
}

/// A hint that a user's view of a room may have changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RoomChange {
    /// The room.
    pub room_id: RoomId,
    /// The user; absent if the view of all users inside has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
}

impl RoomChange {
    /// A change for one user.
    pub(super) fn by(room_id: &RoomId, user_id: &UserId) -> Self {
        Self { room_id: room_id.clone(), user_id: Some(user_id.clone()) }
    }

    /// A change for all users inside the room.
    pub(super) fn for_all(room_id: &RoomId) -> Self {
        Self { room_id: room_id.clone(), user_id: None }
    }
}
