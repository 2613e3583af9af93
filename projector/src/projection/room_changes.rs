//! Hints about rooms changed by a batch: the users whose own view of rooms has changed, and public details.

use std::collections::BTreeSet;

use domain::RoomId;

use super::{
    outcome::{Changes, LobbyChange, RoomChange},
    tables::FeedRow,
    workspace::Workspace,
};

impl Workspace {
    /// Takes the changes of the batch and leaves none.
    pub(super) fn take_changes(&mut self) -> Changes {
        let feed = std::mem::take(&mut self.feed);
        // A new message is unread by all, and a closed room disappears for all.
        let for_all = feed.iter().filter(|row| matches!(row.kind, "message_posted" | "room_closed"));
        let members = self.changed.members().map(|(room_id, user_id)| RoomChange::by(room_id, user_id));
        let room_changes = for_all.map(|row| RoomChange::for_all(&row.room_id)).chain(members).collect();
        let lobby = self.lobby_changes(&feed);
        Changes { alarms: std::mem::take(&mut self.alarms), feed, room_changes, lobby }
    }

    /// Returns the rooms whose public details these events have changed, once each.
    fn lobby_changes(&self, feed: &[FeedRow]) -> Vec<LobbyChange> {
        let rooms: BTreeSet<_> = feed.iter().filter(|row| is_public(row.kind)).map(|row| &row.room_id).collect();
        let change = |room_id: &RoomId| {
            let (room, location) = (self.rooms.get(room_id)?, self.boxes.get(room_id.box_id())?);
            let (latitude, longitude) = (location.latitude, location.longitude);
            Some(LobbyChange { room_id: room_id.clone(), zip_code: room.row.zip_code.clone(), latitude, longitude })
        };
        rooms.into_iter().filter_map(change).collect()
    }
}

/// Returns true for events that change what every signed-in user sees of a room.
fn is_public(kind: &str) -> bool {
    matches!(
        kind,
        "room_opened"
            | "member_joined"
            | "member_left"
            | "member_kicked"
            | "host_transferred"
            | "step_advanced"
            | "room_extended"
            | "room_closed"
    )
}
