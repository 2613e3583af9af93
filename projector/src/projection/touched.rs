//! Whose own rooms look different after a batch: what is unread, and where they are inside.

use domain::{RoomId, UserId};
use serde::Serialize;

use super::{News, workspace::Workspace};

/// Somebody's view of a room has changed. A hint: who looks may find what they knew already.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Touched {
    /// The room.
    pub room_id: RoomId,
    /// Whose view; without it, that of everybody inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
}

impl Touched {
    /// One user's view.
    pub(super) fn by(room_id: &RoomId, user_id: &UserId) -> Self {
        Self { room_id: room_id.clone(), user_id: Some(user_id.clone()) }
    }

    /// Everybody's view.
    fn for_all(room_id: &RoomId) -> Self {
        Self { room_id: room_id.clone(), user_id: None }
    }
}

impl Workspace {
    /// What the batch has brought, which is forgotten here.
    pub(super) fn take_news(&mut self) -> News {
        let feed = std::mem::take(&mut self.feed);
        // a new message is unread by all, and a room that closes is gone for all
        let for_all = feed.iter().filter(|row| matches!(row.kind, "message_posted" | "room_closed"));
        let members = self.changed.members().map(|(room_id, user_id)| Touched::by(room_id, user_id));
        let touched = for_all.map(|row| Touched::for_all(&row.room_id)).chain(members).collect();
        News { alarms: std::mem::take(&mut self.alarms), feed, touched }
    }
}
