//! A room's feed: every event with an effect gets the room's next version and the JSON that clients see.

use domain::{MessageId, RoomClosedReason, RoomId};
use read_model::feed::RoomEvent;
use serde_json::{Value, json, value::to_raw_value};

use super::{
    error::InvalidEvent,
    tables::FeedRow,
    workspace::{EventContext, Workspace},
};

impl Workspace {
    /// Adds an event, by its stored name, to the feed with the room's next version.
    pub(super) fn add_to_feed(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        kind: &'static str,
        event: &RoomEvent,
        message_id: Option<MessageId>,
    ) -> Result<(), InvalidEvent> {
        let data = event.data().map_err(|error| json_error(&error))?;
        // A deadline has no actor, even if the next user to open a room triggered it.
        let expired = matches!(event, RoomEvent::RoomClosed { reason: RoomClosedReason::Expired });
        let by = if expired { None } else { context.actor.cloned() };
        // Only users are shown the ids of their commands.
        let is_user = by.as_ref().is_some_and(|by| context.is_actor(by));
        let command_id = context.commit.command_id.clone().filter(|_| is_user);
        let room = self.change_room(room_id)?;
        room.row.v += 1;
        let v = room.row.v;
        self.feed.push(FeedRow {
            room_id: room_id.clone(),
            v,
            kind,
            at: context.at(),
            by,
            data,
            command_id,
            message_id,
            position: context.commit.sequence,
        });
        Ok(())
    }

    /// Removes a deleted message's text from the feed of its room; the versions stay.
    pub(super) fn blank(&mut self, room_id: &RoomId, message_id: MessageId) -> Result<(), InvalidEvent> {
        // Rows about a message are at its position or later.
        let first = self.feed.partition_point(|row| row.position < message_id.sequence());
        let later = self.feed.iter_mut().skip(first);
        for row in later.filter(|row| row.message_id == Some(message_id)) {
            let mut data: Value = serde_json::from_str(row.data.get()).map_err(|error| json_error(&error))?;
            if let Some(body) = data.get_mut("body") {
                *body = Value::Null;
                remove_mentions(&mut data);
                row.data = to_raw_value(&data).map_err(|error| json_error(&error))?;
            }
        }
        self.deleted.push((room_id.clone(), message_id));
        Ok(())
    }
}

/// Removes the mentions of a text from the data of its event.
pub(super) fn remove_mentions(data: &mut Value) {
    if let Some(mentions) = data.get_mut("mentions") {
        *mentions = json!([]);
        data["mentions_all"] = false.into();
    }
}

pub(super) fn json_error(error: &serde_json::Error) -> InvalidEvent {
    InvalidEvent(format!("an event cannot be encoded for clients: {error}"))
}
