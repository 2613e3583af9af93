//! Decisions about messages and reactions. Only members of an open room may post and react.

use super::{BoxRefusal, DeliveryBox, OriginalMessage, TalkCommand, TalkEvent};
use crate::ids::RoomId;

fn in_room(original: Option<OriginalMessage>, room_id: &RoomId) -> Result<OriginalMessage, BoxRefusal> {
    original.filter(|message| message.room_id == *room_id).ok_or(BoxRefusal::MessageNotFound)
}

impl DeliveryBox {
    pub(super) fn decide_talk(&self, room_id: &RoomId, command: TalkCommand) -> Result<TalkEvent, BoxRefusal> {
        Ok(match command {
            TalkCommand::PostMessage { author, body, reply_to, at } => {
                self.members_room(room_id, &author, at)?;
                let reply_to = reply_to.map(|original| in_room(original, room_id)).transpose()?;
                let reply_to = reply_to.map(|original| original.message_id);
                TalkEvent::MessagePosted { author, body: body.into(), reply_to }
            }
            TalkCommand::EditMessage { by, original, body, at } => {
                self.members_room(room_id, &by, at)?;
                let OriginalMessage { message_id, author, .. } = in_room(original, room_id)?;
                if author != by {
                    return Err(BoxRefusal::NotTheAuthor);
                }
                TalkEvent::MessageEdited { message_id, body: body.into() }
            }
            TalkCommand::DeleteMessage { by, original, at } => {
                let room = self.members_room(room_id, &by, at)?;
                let OriginalMessage { message_id, author, .. } = in_room(original, room_id)?;
                if author != by && room.host != by {
                    return Err(BoxRefusal::NotTheAuthor);
                }
                TalkEvent::MessageDeleted { message_id, by }
            }
            TalkCommand::AddReaction { user_id, original, emoji, at } => {
                self.members_room(room_id, &user_id, at)?;
                let message_id = in_room(original, room_id)?.message_id;
                TalkEvent::ReactionAdded { message_id, user_id, emoji: emoji.into() }
            }
            TalkCommand::RemoveReaction { user_id, original, emoji, at } => {
                self.members_room(room_id, &user_id, at)?;
                let message_id = in_room(original, room_id)?.message_id;
                TalkEvent::ReactionRemoved { message_id, user_id, emoji: emoji.into() }
            }
        })
    }
}
