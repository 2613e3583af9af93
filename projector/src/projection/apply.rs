//! The dispatch of box events to the rules that project them. A new event fails the build here.

use domain::{BoxEvent, Lane, MessageId, RoomId};

use super::{
    error::InvalidEvent,
    workspace::{EventContext, Keys, Workspace},
};
use crate::commit::{Commit, Content};

impl Workspace {
    /// Applies one event of a box to the rows in memory.
    pub(super) fn apply(&mut self, about: &EventContext<'_>, event: &BoxEvent) -> Result<(), InvalidEvent> {
        match event {
            BoxEvent::BoxInstalled { .. } => self.install_box(about, event),
            BoxEvent::BoxDetailsChanged { .. } => self.change_details(about, event),
            BoxEvent::BoxTakenOutOfService { reason } => self.serve(about, "out_of_service", reason.clone()),
            BoxEvent::BoxReturnedToService {} => self.serve(about, "in_service", None),
            BoxEvent::BoxRetired {} => self.serve(about, "retired", None),
            BoxEvent::RoomOpened { room_id, .. } => self.open_room(about, room_id, event),
            BoxEvent::StepAdvanced { room_id, step } => {
                step.as_str().clone_into(&mut self.change_room(room_id)?.row.step);
                self.tell(about, room_id, event)
            }
            BoxEvent::RoomExtended { room_id, closes_at, .. } => {
                self.change_room(room_id)?.row.closes_at = *closes_at;
                self.tell(about, room_id, event)
            }
            BoxEvent::HostTransferred { room_id, to, .. } => self.transfer_host(about, room_id, to, event),
            BoxEvent::RoomClosed { room_id, reason } => self.close_room(about, room_id, *reason, event),
            BoxEvent::OrderArrived { room_id: Some(room_id) } => self.bring_order(about, room_id, event),
            BoxEvent::DoorOpened { room_id: Some(room_id) } => self.tell(about, room_id, event),
            BoxEvent::OrderArrived { room_id: None }
            | BoxEvent::DoorOpened { room_id: None }
            | BoxEvent::EventDropped { .. } => Ok(()),
            BoxEvent::AuthorErased { user_id } => self.erase_author(about, user_id),
            BoxEvent::MemberJoined { room_id, user_id } => self.join(about, room_id, user_id, event),
            BoxEvent::MemberLeft { room_id, user_id } => self.leave(about, room_id, user_id, event),
            BoxEvent::MemberKicked { room_id, user_id, .. } => self.kick(about, room_id, user_id, event),
            BoxEvent::MessagePosted { room_id, author, body, reply_to } => {
                self.post(about, room_id, author, body, *reply_to)?;
                self.tell(about, room_id, event)
            }
            BoxEvent::MessageEdited { room_id, message_id, body } => {
                self.edit(about, room_id, *message_id, body, event)
            }
            BoxEvent::MessageDeleted { room_id, message_id, .. } => self.delete(about, room_id, *message_id, event),
            BoxEvent::ReactionAdded { room_id, message_id, user_id, emoji } => {
                let added = self.add_reaction(about, room_id, *message_id, user_id, emoji)?;
                if added { self.tell(about, room_id, event) } else { Ok(()) }
            }
            BoxEvent::ReactionRemoved { room_id, message_id, user_id, emoji } => {
                let removed = self.remove_reaction(room_id, *message_id, user_id, emoji)?;
                if removed { self.tell(about, room_id, event) } else { Ok(()) }
            }
        }
    }
}

impl<'a> Keys<'a> {
    /// Returns the keys that these commits touch and that are not in memory; almost none while a generation is built.
    pub(super) fn missing(commits: &'a [Commit], workspace: &Workspace) -> Self {
        let mut keys = Self::default();
        let first = commits.first().map_or(0, |commit| commit.sequence);
        for commit in commits {
            if let Content::Box { box_id, events } = &commit.content {
                for event in events {
                    if event.lane() == Lane::Room && !workspace.boxes.contains_key(box_id) {
                        keys.boxes.insert(box_id);
                    }
                    keys.rooms.extend(event.room_id().filter(|room_id| !workspace.rooms.contains_key(*room_id)));
                    keys.messages
                        .extend(older_message(event, first).filter(|(_, id)| !workspace.messages.contains_key(id)));
                }
            }
        }
        keys
    }
}

/// Returns the message that an event refers to, if it was posted before this sequence; later ones will be in memory.
fn older_message(event: &BoxEvent, first: u64) -> Option<(&RoomId, MessageId)> {
    let (room_id, message_id) = match event {
        BoxEvent::MessagePosted { room_id, reply_to: Some(message_id), .. }
        | BoxEvent::MessageEdited { room_id, message_id, .. }
        | BoxEvent::MessageDeleted { room_id, message_id, .. }
        | BoxEvent::ReactionAdded { room_id, message_id, .. }
        | BoxEvent::ReactionRemoved { room_id, message_id, .. } => (room_id, *message_id),
        BoxEvent::MessagePosted { reply_to: None, .. }
        | BoxEvent::BoxInstalled { .. }
        | BoxEvent::BoxDetailsChanged { .. }
        | BoxEvent::BoxTakenOutOfService { .. }
        | BoxEvent::BoxReturnedToService {}
        | BoxEvent::BoxRetired {}
        | BoxEvent::RoomOpened { .. }
        | BoxEvent::MemberJoined { .. }
        | BoxEvent::MemberLeft { .. }
        | BoxEvent::MemberKicked { .. }
        | BoxEvent::HostTransferred { .. }
        | BoxEvent::StepAdvanced { .. }
        | BoxEvent::RoomExtended { .. }
        | BoxEvent::RoomClosed { .. }
        | BoxEvent::OrderArrived { .. }
        | BoxEvent::DoorOpened { .. }
        | BoxEvent::EventDropped { .. }
        | BoxEvent::AuthorErased { .. } => return None,
    };
    (message_id.sequence() < first).then_some((room_id, message_id))
}
