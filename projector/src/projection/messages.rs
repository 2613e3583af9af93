//! Messages of a room: posted, edited, deleted.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use domain::{AlarmKind, MessageId, RoomId, UserId};

use super::{
    alarms::{MAX_PER_MESSAGE, mentioned},
    error::InvalidEvent,
    tables::{Message, Reactions},
    workspace::{EventContext, Workspace},
};

/// The time without a message after which the next one alarms all members.
const SILENCE: TimeDelta = TimeDelta::minutes(30);

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
        let silent_since = row.last_message_at.replace(context.at()).unwrap_or(row.opened_at);
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
            erased: false,
            reply_to,
            posted_at: context.at(),
            edited_at: None,
            reactions: Reactions::new(),
            mentions,
            mentions_all: text.mentions_all,
            alarms: None,
        };
        self.messages.insert(message_id, message);
        self.posted.push(message_id);
        let original = reply_to.map(|original| self.message(room_id, original)).transpose()?;
        let replied = original.map(|original| original.author.clone());
        self.alarm_about_text(context, room_id, message_id, replied, text.mentions_all)?;
        if context.at() - silent_since >= SILENCE {
            self.alarm_after_silence(context, room_id, message_id)?;
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
            self.alarm_about_text(context, room_id, message_id, None, text.mentions_all)?;
        }
        Ok(true)
    }

    /// Returns the mentioned members.
    fn mentions(&self, room_id: &RoomId, text: Text<'_>) -> Result<Vec<UserId>, InvalidEvent> {
        let room = self.room(room_id)?;
        if let Some(mentions) = text.mentions {
            return Ok(mentions.to_vec());
        }
        let members = mentioned(text.body).into_iter().filter(|user_id| room.has_member(user_id));
        Ok(members.take(MAX_PER_MESSAGE).collect())
    }

    /// Alarms the author of the original message, and the mentioned users. A message mentioning all has no limit.
    fn alarm_about_text(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        message_id: MessageId,
        replied: Option<UserId>,
        mentions_all: bool,
    ) -> Result<(), InvalidEvent> {
        let mentioned: Vec<UserId> = if mentions_all {
            self.room(room_id)?.inside().cloned().collect()
        } else {
            self.message(room_id, message_id)?.mentions.clone()
        };
        let replied = replied.into_iter().map(|user_id| (user_id, AlarmKind::Reply));
        let mentioned = mentioned.into_iter().map(|user_id| (user_id, AlarmKind::Mention));
        let limit = if mentions_all { usize::MAX } else { MAX_PER_MESSAGE };
        self.alarm_about_message(context, room_id, message_id, replied.chain(mentioned), limit)
    }

    /// Alarms the members inside the room that the message has not alarmed.
    fn alarm_after_silence(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        message_id: MessageId,
    ) -> Result<(), InvalidEvent> {
        let message = self.message(room_id, message_id)?;
        let posted = message.alarms.iter().flat_map(|alarms| &alarms.posted);
        let alarmed: BTreeSet<&UserId> = posted.map(|alarm| &alarm.user).chain([&message.author]).collect();
        let others: Vec<UserId> =
            self.room(room_id)?.inside().filter(|user_id| !alarmed.contains(user_id)).cloned().collect();
        let concerned = others.into_iter().map(|user_id| (user_id, AlarmKind::MessageAfterSilence));
        self.alarm_about_message(context, room_id, message_id, concerned, MAX_PER_MESSAGE)
    }

    /// Deletes a message. Returns true if it has an effect.
    pub(super) fn delete(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        message_id: MessageId,
    ) -> Result<bool, InvalidEvent> {
        if self.message(room_id, message_id)?.body.is_none() {
            return Ok(false);
        }
        let message = self.change_message(room_id, message_id)?;
        message.body = None;
        message.clear_mentions();
        message.reactions.clear();
        self.unpin(room_id, message_id)?;
        self.blank(room_id, message_id)?;
        self.withdraw_message(context, room_id, message_id)?;
        Ok(true)
    }
}
