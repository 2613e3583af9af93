//! Users whose own view of rooms has changed by a batch: unread counts and memberships.

use domain::{RoomId, UserId};
use serde::Serialize;

use super::{Changes, workspace::Workspace};

/// A hint that a user's view of a room may have changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Touched {
    /// The room.
    pub room_id: RoomId,
    /// The user; absent if the view of all users inside has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
}

impl Touched {
    /// A change for one user.
    pub(super) fn by(room_id: &RoomId, user_id: &UserId) -> Self {
        Self { room_id: room_id.clone(), user_id: Some(user_id.clone()) }
    }

    /// A change for all users inside the room.
    fn for_all(room_id: &RoomId) -> Self {
        Self { room_id: room_id.clone(), user_id: None }
    }
}

impl Workspace {
    /// Takes the changes of the batch and leaves none.
    pub(super) fn take_news(&mut self) -> Changes {
        let feed = std::mem::take(&mut self.feed);
        // A new message is unread by all, and a closed room disappears for all.
        let for_all = feed.iter().filter(|row| matches!(row.kind, "message_posted" | "room_closed"));
        let members = self.changed.members().map(|(room_id, user_id)| Touched::by(room_id, user_id));
        let touched = for_all.map(|row| Touched::for_all(&row.room_id)).chain(members).collect();
        Changes { alarms: std::mem::take(&mut self.alarms), feed, touched }
    }
}
