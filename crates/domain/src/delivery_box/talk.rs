//! Decisions about messages and reactions. Only members of an open room may post and react.

use super::{BoxCommand, BoxEvent, BoxRefusal, DeliveryBox, OriginalMessage};
use crate::ids::RoomId;

fn in_room(original: Option<OriginalMessage>, room_id: &RoomId) -> Result<OriginalMessage, BoxRefusal> {
    original.filter(|message| message.room_id == *room_id).ok_or(BoxRefusal::MessageNotFound)
}

impl DeliveryBox {
    /// Decides the commands whose events belong to the talk lane. Any other command yields no event.
    pub(super) fn decide_talk(&self, command: BoxCommand) -> Result<Vec<BoxEvent>, BoxRefusal> {
        let event = match command {
            BoxCommand::PostMessage { room_id, author, body, reply_to, at } => {
                self.members_room(&room_id, &author, at)?;
                let reply_to = reply_to.map(|original| in_room(original, &room_id)).transpose()?;
                let reply_to = reply_to.map(|original| original.message_id);
                BoxEvent::MessagePosted { room_id, author, body: body.into(), reply_to }
            }
            BoxCommand::EditMessage { room_id, by, original, body, at } => {
                self.members_room(&room_id, &by, at)?;
                let OriginalMessage { message_id, author, .. } = in_room(original, &room_id)?;
                if author != by {
                    return Err(BoxRefusal::NotTheAuthor);
                }
                BoxEvent::MessageEdited { room_id, message_id, body: body.into() }
            }
            BoxCommand::DeleteMessage { room_id, by, original, at } => {
                let room = self.members_room(&room_id, &by, at)?;
                let OriginalMessage { message_id, author, .. } = in_room(original, &room_id)?;
                if author != by && room.host != by {
                    return Err(BoxRefusal::NotTheAuthor);
                }
                BoxEvent::MessageDeleted { room_id, message_id, by }
            }
            BoxCommand::AddReaction { room_id, user_id, original, emoji, at } => {
                self.members_room(&room_id, &user_id, at)?;
                let message_id = in_room(original, &room_id)?.message_id;
                BoxEvent::ReactionAdded { room_id, message_id, user_id, emoji: emoji.into() }
            }
            BoxCommand::RemoveReaction { room_id, user_id, original, emoji, at } => {
                self.members_room(&room_id, &user_id, at)?;
                let message_id = in_room(original, &room_id)?.message_id;
                BoxEvent::ReactionRemoved { room_id, message_id, user_id, emoji: emoji.into() }
            }
            BoxCommand::InstallBox { .. }
            | BoxCommand::ChangeBoxDetails { .. }
            | BoxCommand::TakeOutOfService { .. }
            | BoxCommand::ReturnToService
            | BoxCommand::RetireBox { .. }
            | BoxCommand::RecordArrival { .. }
            | BoxCommand::RecordDoorOpening { .. }
            | BoxCommand::DropEvent { .. }
            | BoxCommand::EraseAuthor { .. }
            | BoxCommand::OpenRoom { .. }
            | BoxCommand::JoinRoom { .. }
            | BoxCommand::LeaveRoom { .. }
            | BoxCommand::KickMember { .. }
            | BoxCommand::TransferHost { .. }
            | BoxCommand::AdvanceStep { .. }
            | BoxCommand::ExtendRoom { .. }
            | BoxCommand::CloseRoom { .. }
            | BoxCommand::ExpireRoom { .. } => return Ok(vec![]),
        };
        Ok(vec![event])
    }
}
