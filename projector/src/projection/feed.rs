//! A room's feed: every event with an effect gets the room's next version and the JSON that clients see.

use domain::{BoxEvent, MessageId, RoomId};
use read_model::feed::RoomEvent;
use serde_json::{Value, value::to_raw_value};

use super::{
    error::InvalidEvent,
    tables::FeedRow,
    workspace::{EventContext, Workspace},
};

impl Workspace {
    /// Adds an event to the feed with the room's next version.
    pub(super) fn tell(
        &mut self,
        about: &EventContext<'_>,
        room_id: &RoomId,
        event: &BoxEvent,
    ) -> Result<(), InvalidEvent> {
        let Some(seen) = seen_by_members(event, about.message_id()) else { return Ok(()) };
        let data = seen.data().map_err(|error| not_json(&error))?;
        let room = self.change_room(room_id)?;
        room.row.v += 1;
        let v = room.row.v;
        self.feed.push(FeedRow {
            room_id: room_id.clone(),
            v,
            kind: event.name(),
            at: about.at(),
            by: if happened_by_itself(event) { None } else { about.actor.cloned() },
            data,
            command_id: about.commit.command_id.clone(),
            message_id: message_of(event, about.message_id()),
            position: about.commit.sequence,
        });
        Ok(())
    }

    /// Removes a deleted message's text from the feed of its room; the versions stay.
    pub(super) fn blank(&mut self, room_id: &RoomId, message_id: MessageId) -> Result<(), InvalidEvent> {
        // Rows about a message are at its position or later.
        let first = self.feed.partition_point(|row| row.position < message_id.sequence());
        let later = self.feed.iter_mut().skip(first);
        for row in later.filter(|row| row.message_id == Some(message_id)) {
            let mut data: Value = serde_json::from_str(row.data.get()).map_err(|error| not_json(&error))?;
            if let Some(body) = data.get_mut("body") {
                *body = Value::Null;
                row.data = to_raw_value(&data).map_err(|error| not_json(&error))?;
            }
        }
        self.deleted.push((room_id.clone(), message_id));
        Ok(())
    }
}

pub(super) fn not_json(error: &serde_json::Error) -> InvalidEvent {
    InvalidEvent(format!("an event cannot be told to clients: {error}"))
}

/// Returns true if a deadline caused the event. It has no actor, even if the next user to open a room triggered it.
pub(super) fn happened_by_itself(event: &BoxEvent) -> bool {
    matches!(event, BoxEvent::RoomClosed { reason: domain::RoomClosedReason::Expired, .. })
}

fn message_of(event: &BoxEvent, posted: MessageId) -> Option<MessageId> {
    match event {
        BoxEvent::MessagePosted { .. } => Some(posted),
        BoxEvent::MessageEdited { message_id, .. }
        | BoxEvent::MessageDeleted { message_id, .. }
        | BoxEvent::ReactionAdded { message_id, .. }
        | BoxEvent::ReactionRemoved { message_id, .. } => Some(*message_id),
        BoxEvent::BoxInstalled { .. }
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
        | BoxEvent::AuthorErased { .. } => None,
    }
}

/// Returns the data that members see of an event; `None` if it concerns the box alone. Copies field by field, because
/// events hold secrets (password hashes).
fn seen_by_members(event: &BoxEvent, posted: MessageId) -> Option<RoomEvent> {
    Some(match event.clone() {
        BoxEvent::BoxInstalled { .. }
        | BoxEvent::BoxDetailsChanged { .. }
        | BoxEvent::BoxTakenOutOfService { .. }
        | BoxEvent::BoxReturnedToService {}
        | BoxEvent::BoxRetired {}
        | BoxEvent::EventDropped { .. }
        | BoxEvent::AuthorErased { .. } => return None,
        BoxEvent::OrderArrived { .. } => RoomEvent::OrderArrived {},
        BoxEvent::DoorOpened { .. } => RoomEvent::DoorOpened {},
        BoxEvent::RoomOpened {
            room_id: _,
            store_id,
            title,
            host,
            max_members,
            password_hash,
            opened_at,
            closes_at,
        } => {
            let locked = password_hash.is_some();
            RoomEvent::RoomOpened { store_id, title, host, max_members, locked, opened_at, closes_at }
        }
        BoxEvent::MemberJoined { user_id, .. } => RoomEvent::MemberJoined { user_id },
        BoxEvent::MemberLeft { user_id, .. } => RoomEvent::MemberLeft { user_id },
        BoxEvent::MemberKicked { user_id, by, .. } => RoomEvent::MemberKicked { user_id, by },
        BoxEvent::HostTransferred { from, to, change, .. } => RoomEvent::HostTransferred { from, to, change },
        BoxEvent::StepAdvanced { step, .. } => RoomEvent::StepAdvanced { step },
        BoxEvent::RoomExtended { extension, hours, closes_at, .. } => {
            RoomEvent::RoomExtended { extension, hours, closes_at }
        }
        BoxEvent::RoomClosed { reason, .. } => RoomEvent::RoomClosed { reason },
        BoxEvent::MessagePosted { author, body, reply_to, .. } => {
            RoomEvent::MessagePosted { message_id: posted, author, body: Some(body), reply_to }
        }
        BoxEvent::MessageEdited { message_id, body, .. } => RoomEvent::MessageEdited { message_id, body: Some(body) },
        BoxEvent::MessageDeleted { message_id, by, .. } => RoomEvent::MessageDeleted { message_id, by },
        BoxEvent::ReactionAdded { message_id, user_id, emoji, .. } => {
            RoomEvent::ReactionAdded { message_id, user_id, emoji }
        }
        BoxEvent::ReactionRemoved { message_id, user_id, emoji, .. } => {
            RoomEvent::ReactionRemoved { message_id, user_id, emoji }
        }
    })
}
