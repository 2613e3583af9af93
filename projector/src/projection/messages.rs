//! Messages of a room: posted, edited, deleted.

use domain::{AlarmKind, MessageId, RoomId, UserId};

use super::{
    alarms::{AlarmCause, mentioned},
    error::InvalidEvent,
    tables::{Message, Reactions},
    workspace::{EventContext, Workspace},
};

impl Workspace {
    pub(super) fn post(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        author: &UserId,
        body: &str,
        reply_to: Option<MessageId>,
    ) -> Result<(), InvalidEvent> {
        let message_id = context.message_id();
        if self.messages.contains_key(&message_id) {
            return Err(InvalidEvent(format!("one commit posts two messages: {message_id}")));
        }
        let row = &mut self.change_room(room_id)?.row;
        row.last_ordinal += 1;
        let ordinal = row.last_ordinal;
        self.change_member(room_id, author)?.last_post_ordinal = ordinal;
        let message = Message {
            room_id: room_id.clone(),
            ordinal,
            author: author.clone(),
            body: Some(body.to_owned()),
            erased: false,
            reply_to,
            posted_at: context.at(),
            edited_at: None,
            reactions: Reactions::new(),
        };
        self.messages.insert(message_id, message);
        self.posted.push(message_id);
        self.alarm_about_post(context, room_id, body, reply_to)
    }

    fn alarm_about_post(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        body: &str,
        reply_to: Option<MessageId>,
    ) -> Result<(), InvalidEvent> {
        let message_id = Some(context.message_id());
        if let Some(original) = reply_to {
            let author = self.message(room_id, original)?.author.clone();
            self.alarm_if_inside(AlarmCause { context, room_id, kind: AlarmKind::Reply, message_id }, &author)?;
        }
        for user_id in mentioned(body) {
            self.alarm_if_inside(AlarmCause { context, room_id, kind: AlarmKind::Mention, message_id }, &user_id)?;
        }
        Ok(())
    }

    /// Edits a message. Ignores an edit that comes after the deletion, on every replay. Returns true if the edit has an
    /// effect.
    pub(super) fn edit(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        message_id: MessageId,
        body: &str,
    ) -> Result<bool, InvalidEvent> {
        if self.message(room_id, message_id)?.body.is_none() {
            return Ok(false);
        }
        let message = self.change_message(room_id, message_id)?;
        message.body = Some(body.to_owned());
        message.edited_at = Some(context.at());
        Ok(true)
    }

    /// Deletes a message. Returns true if it has an effect.
    pub(super) fn delete(&mut self, room_id: &RoomId, message_id: MessageId) -> Result<bool, InvalidEvent> {
        if self.message(room_id, message_id)?.body.is_none() {
            return Ok(false);
        }
        self.change_message(room_id, message_id)?.body = None;
        self.blank(room_id, message_id)?;
        Ok(true)
    }
}
