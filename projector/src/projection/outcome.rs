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
    /// New alarms, in the order of the log.
    pub alarms: Vec<Alarm>,
    /// The users whose own view of rooms has changed.
    pub room_changes: BTreeSet<RoomChange>,
    /// The rooms whose public details have changed, in the order of the log.
    pub lobby: Vec<LobbyChange>,
}

impl Changes {
    /// Appends the changes of a later batch.
    pub(crate) fn extend(&mut self, later: Self) {
        let Self { feed, alarms, room_changes, lobby } = later;
        self.feed.extend(feed);
        self.alarms.extend(alarms);
        self.room_changes.extend(room_changes);
        self.lobby.extend(lobby);
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
