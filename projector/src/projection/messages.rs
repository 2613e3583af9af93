//! Messages of a room: posted, edited, deleted.

use domain::{AlarmKind, MessageId, RoomId, UserId, delivery_box::MAX_MENTIONS};

use super::{
    alarms::{AlarmCause, mentioned},
    error::InvalidEvent,
    tables::{Message, Reactions},
    workspace::{EventContext, Workspace},
};

/// A text with its mentions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) body: &'a str,
    /// None in events of releases that did not store them.
    pub(super) mentions: Option<&'a [UserId]>,
    pub(super) mentions_all: bool,
}

impl Message {
    pub(super) fn clear_mentions(&mut self) {
        self.mentions.clear();
        self.mentions_all = false;
        self.mention_alarms.clear();
    }

    /// Returns the number of mention alarms that the message may still cause: 20 with that of a reply.
    fn remaining_alarms(&self) -> usize {
        MAX_MENTIONS.saturating_sub(self.mention_alarms.len() + usize::from(self.reply_to.is_some()))
    }
}

impl Workspace {
    pub(super) fn post(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        author: &UserId,
        text: Text<'_>,
        reply_to: Option<MessageId>,
    ) -> Result<(), InvalidEvent> {
        let message_id = context.message_id();
        if self.messages.contains_key(&message_id) {
            return Err(InvalidEvent(format!("one commit posts two messages: {message_id}")));
        }
        let mentions = self.mentions(room_id, text)?;
        let row = &mut self.change_room(room_id)?.row;
        row.last_ordinal += 1;
        row.last_activity_at = context.at();
        let ordinal = row.last_ordinal;
        let member = self.change_member(room_id, author)?;
        member.posts += 1;
        let author_ordinal = member.posts;
        let message = Message {
            room_id: room_id.clone(),
            ordinal,
            author: author.clone(),
            author_ordinal,
            body: Some(text.body.to_owned()),
            reply_to,
            posted_at: context.at(),
            edited_at: None,
            reactions: Reactions::new(),
            mentions,
            mentions_all: text.mentions_all,
            mention_alarms: Vec::new(),
        };
        self.messages.insert(message_id, message);
        self.posted.push(message_id);
        if let Some(original) = reply_to {
            let author = self.message(room_id, original)?.author.clone();
            let message_id = Some(message_id);
            self.alarm_if_inside(AlarmCause { context, room_id, kind: AlarmKind::Reply, message_id }, &author)?;
        }
        self.alarm_mentioned(context, room_id, message_id, text)
    }

    /// Edits a message. Ignores an edit that comes after the deletion, on every replay. Returns true if the edit has an
    /// effect.
    pub(super) fn edit(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        message_id: MessageId,
        text: Text<'_>,
    ) -> Result<bool, InvalidEvent> {
        if self.message(room_id, message_id)?.body.is_none() {
            return Ok(false);
        }
        let mentions = self.mentions(room_id, text)?;
        let message = self.change_message(room_id, message_id)?;
        message.body = Some(text.body.to_owned());
        message.edited_at = Some(context.at());
        message.mentions = mentions;
        message.mentions_all = text.mentions_all;
        // Edits without stored mentions caused no alarms.
        if text.mentions.is_some() {
            self.alarm_mentioned(context, room_id, message_id, text)?;
        }
        Ok(true)
    }

    /// Returns the mentioned members.
    fn mentions(&self, room_id: &RoomId, text: Text<'_>) -> Result<Vec<UserId>, InvalidEvent> {
        let room = self.room(room_id)?;
        Ok(match text.mentions {
            Some(mentions) => mentions.to_vec(),
            None => mentioned(text.body).into_iter().filter(|user_id| room.has_member(user_id)).collect(),
        })
    }

    /// Alarms the mentioned users once per message.
    fn alarm_mentioned(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        message_id: MessageId,
        text: Text<'_>,
    ) -> Result<(), InvalidEvent> {
        let (message, room) = (self.message(room_id, message_id)?, self.room(room_id)?);
        let mentioned: Vec<&UserId> = if text.mentions_all {
            room.inside().collect()
        } else {
            message.mentions.iter().filter(|user_id| room.has_member(user_id)).collect()
        };
        let is_new = |user_id: &&&UserId| !context.is_actor(user_id) && !message.mention_alarms.contains(user_id);
        // Messages of earlier releases alarm all mentioned users.
        let is_limited = text.mentions.is_some() && !text.mentions_all;
        let limit = if is_limited { message.remaining_alarms() } else { usize::MAX };
        let users: Vec<UserId> = mentioned.iter().filter(is_new).take(limit).copied().cloned().collect();
        if users.is_empty() {
            return Ok(());
        }
        let cause = AlarmCause { context, room_id, kind: AlarmKind::Mention, message_id: Some(message_id) };
        users.iter().for_each(|user_id| self.alarm(cause, user_id));
        self.change_message(room_id, message_id)?.mention_alarms.extend(users);
        Ok(())
    }

    /// Deletes a message. Returns true if it has an effect.
    pub(super) fn delete(&mut self, room_id: &RoomId, message_id: MessageId) -> Result<bool, InvalidEvent> {
        if self.message(room_id, message_id)?.body.is_none() {
            return Ok(false);
        }
        let message = self.change_message(room_id, message_id)?;
        message.body = None;
        message.clear_mentions();
        self.blank(room_id, message_id)?;
        Ok(true)
    }
}
