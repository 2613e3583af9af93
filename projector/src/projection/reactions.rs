//! Reactions to messages: one of each emoji per user, and a bounded number of emoji.

use domain::{MessageId, RoomId, UserId};

use super::{
    error::InvalidEvent,
    workspace::{EventContext, Workspace},
};

/// The limit of different emoji on one message, to keep its row small. Reactions beyond it have no effect.
const MAX_EMOJI: usize = 50;

impl Workspace {
    /// Adds a reaction. Returns true if it is new.
    pub(super) fn add_reaction(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        message_id: MessageId,
        user_id: &UserId,
        emoji: &str,
    ) -> Result<bool, InvalidEvent> {
        let message = self.message(room_id, message_id)?;
        let known = message.reactions.get(emoji);
        let full = known.is_none() && message.reactions.len() >= MAX_EMOJI;
        if message.body.is_none() || full || known.is_some_and(|users| users.contains(user_id)) {
            return Ok(false);
        }
        let message = self.change_message(room_id, message_id)?;
        message.reactions.entry(emoji.to_owned()).or_default().push(user_id.clone());
        self.alarm_about_reaction(context, room_id, message_id, (user_id, emoji))?;
        Ok(true)
    }

    /// Removes a reaction. Returns true if it existed.
    pub(super) fn remove_reaction(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        message_id: MessageId,
        user_id: &UserId,
        emoji: &str,
    ) -> Result<bool, InvalidEvent> {
        let message = self.message(room_id, message_id)?;
        let there = message.reactions.get(emoji).is_some_and(|users| users.contains(user_id));
        if message.body.is_none() || !there {
            return Ok(false);
        }
        let message = self.change_message(room_id, message_id)?;
        if let Some(users) = message.reactions.get_mut(emoji) {
            users.retain(|user| user != user_id);
        }
        message.reactions.retain(|_, users| !users.is_empty());
        self.withdraw_reaction(context, room_id, message_id, (user_id, emoji))?;
        Ok(true)
    }
}
