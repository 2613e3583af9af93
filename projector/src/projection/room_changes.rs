//! Users whose own view of rooms has changed by a batch: unread counts and memberships.

use super::{
    outcome::{Changes, RoomChange},
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
        Changes { alarms: self.alarms.take(), feed, room_changes, ..Changes::default() }
    }
}
