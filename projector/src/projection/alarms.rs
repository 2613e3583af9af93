//! Alarms of users, derived from the events of a box alone. The acting user is never alarmed.

use std::collections::{BTreeMap, BTreeSet};

use domain::{AlarmKind, MessageId, RoomId, UserId};

use super::{
    error::InvalidEvent,
    message_alarms::{PostedAlarm, ReactionAlarm},
    tables::{Alarm, Message, WithdrawalReason},
    workspace::{EventContext, Workspace},
};

/// The limit of alarms that the text of one message causes.
pub(super) const MAX_PER_MESSAGE: usize = 20;

/// An event of a room that causes alarms.
#[derive(Debug, Clone, Copy)]
pub(super) struct AlarmCause<'a> {
    pub(super) context: &'a EventContext<'a>,
    pub(super) room_id: &'a RoomId,
    pub(super) kind: AlarmKind,
    pub(super) message_id: Option<MessageId>,
}

/// The rows of alarms that a batch changes, each in its last state.
#[derive(Debug, Default)]
pub(super) struct AlarmRows(BTreeMap<(u64, UserId, AlarmKind), AlarmRow>);

/// A row of a batch.
#[derive(Debug)]
pub(super) struct AlarmRow {
    pub(super) alarm: Alarm,
    /// True if the table does not have it yet.
    pub(super) is_new: bool,
}

impl AlarmRows {
    fn has(&self, position: u64, user_id: &UserId, kind: AlarmKind) -> bool {
        self.0.contains_key(&(position, user_id.clone(), kind))
    }

    /// Adds a row, unless an earlier event of the same commit has caused the same kind for the same user. Returns true
    /// if it was added.
    fn add(&mut self, alarm: Alarm) -> bool {
        let is_added = !self.has(alarm.position, &alarm.user_id, alarm.kind);
        if is_added {
            self.0.insert(alarm.key(), AlarmRow { alarm, is_new: true });
        }
        is_added
    }

    /// Replaces a row.
    fn change(&mut self, alarm: Alarm) {
        let is_new = self.0.get(&alarm.key()).is_some_and(|row| row.is_new);
        self.0.insert(alarm.key(), AlarmRow { alarm, is_new });
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &AlarmRow> {
        self.0.values()
    }

    /// Takes the rows in the order of the log, and leaves none.
    pub(super) fn take(&mut self) -> Vec<Alarm> {
        let mut alarms: Vec<Alarm> = std::mem::take(&mut self.0).into_values().map(|row| row.alarm).collect();
        alarms.sort_by_key(|alarm| alarm.changed);
        alarms
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Workspace {
    /// Alarms one user, unless that user is the actor. Returns true if the alarm is new.
    pub(super) fn alarm(&mut self, cause: AlarmCause<'_>, user_id: &UserId) -> bool {
        let by = cause.context.actor.cloned();
        !cause.context.is_actor(user_id) && self.alarms.add(cause.alarm(user_id.clone(), by))
    }

    /// Alarms every user inside the room except the actor.
    pub(super) fn alarm_all_inside(&mut self, cause: AlarmCause<'_>) -> Result<(), InvalidEvent> {
        let inside: Vec<UserId> = self.room(cause.room_id)?.inside().cloned().collect();
        for user_id in &inside {
            self.alarm(cause, user_id);
        }
        Ok(())
    }

    /// Alarms every user inside the room, without an actor.
    pub(super) fn alarm_all_inside_without_actor(&mut self, cause: AlarmCause<'_>) -> Result<(), InvalidEvent> {
        let inside: Vec<UserId> = self.room(cause.room_id)?.inside().cloned().collect();
        for user_id in inside {
            self.alarms.add(cause.alarm(user_id, None));
        }
        Ok(())
    }

    /// Alarms users who are concerned by the text of a message and may still read the room, each once per message and
    /// kind, until the message has caused `limit` alarms.
    pub(super) fn alarm_about_message(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        message_id: MessageId,
        concerned: impl IntoIterator<Item = (UserId, AlarmKind)>,
        limit: usize,
    ) -> Result<(), InvalidEvent> {
        let earlier = self.message(room_id, message_id)?.alarms.as_ref();
        let mut posted = earlier.map(|alarms| alarms.posted.clone()).unwrap_or_default();
        let count = posted.len();
        let edit = (context.message_id() != message_id).then(|| (context.commit.sequence, context.at()));
        for (user, kind) in concerned {
            let cause = AlarmCause { context, room_id, kind, message_id: Some(message_id) };
            let is_known = posted.iter().any(|alarm| alarm.user == user && alarm.kind == kind);
            let may_alarm = !is_known && posted.len() < limit && self.room(room_id)?.has_member(&user);
            if may_alarm && self.alarm(cause, &user) {
                posted.push(PostedAlarm { user, kind, edit });
            }
        }
        if posted.len() > count {
            self.change_message(room_id, message_id)?.alarms.get_or_insert_default().posted = posted;
        }
        Ok(())
    }

    /// Alarms the author of a message about a reaction. The reactions of an hour are one alarm.
    pub(super) fn alarm_about_reaction(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        message_id: MessageId,
        (user_id, emoji): (&UserId, &str),
    ) -> Result<(), InvalidEvent> {
        let message = self.message(room_id, message_id)?;
        let (author, position) = (message.author.clone(), context.commit.sequence);
        let joins = message.alarms.as_ref().is_some_and(|alarms| alarms.has_window(context.at()));
        // The key of a row has no message: one commit causes one alarm of each kind for a user.
        let is_taken = !joins && self.alarms.has(position, &author, AlarmKind::Reaction);
        if is_taken || context.is_actor(&author) || !self.room(room_id)?.has_member(&author) {
            return Ok(());
        }
        let message = self.change_message(room_id, message_id)?;
        let alarms = message.alarms.get_or_insert_default();
        if let Some(reactions) = alarms.add_reaction(user_id, emoji, (position, context.at())).cloned() {
            let alarm = Alarm::of_reactions(message, message_id, &reactions);
            if joins {
                self.alarms.change(alarm);
            } else {
                self.alarms.add(alarm);
            }
        }
        Ok(())
    }

    /// Lowers the count of an alarm by a removed reaction, and withdraws the alarm with the last one.
    pub(super) fn withdraw_reaction(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        message_id: MessageId,
        (user_id, emoji): (&UserId, &str),
    ) -> Result<(), InvalidEvent> {
        let message = self.change_message(room_id, message_id)?;
        let changed = message.alarms.as_mut().and_then(|alarms| alarms.remove_reaction(user_id, emoji)).cloned();
        if let Some(reactions) = changed {
            let alarm = Alarm::of_reactions(message, message_id, &reactions);
            self.alarms.change(alarm.reduced(context, WithdrawalReason::ReactionRemoved));
        }
        Ok(())
    }

    /// Withdraws the alarms that a deleted message and the reactions to it have caused.
    pub(super) fn withdraw_message(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        message_id: MessageId,
    ) -> Result<(), InvalidEvent> {
        let message = self.change_message(room_id, message_id)?;
        let Some(mut alarms) = message.alarms.take() else { return Ok(()) };
        let reactions = std::mem::take(&mut alarms.reactions);
        let of_post = alarms.posted.iter().map(|alarm| Alarm::of_post(message, message_id, alarm));
        let of_reactions = reactions.iter().filter(|reactions| reactions.count() > 0);
        let of_reactions = of_reactions.map(|reactions| Alarm::of_reactions(message, message_id, reactions));
        let withdrawn: Vec<Alarm> = of_post.chain(of_reactions).collect();
        message.alarms = alarms.into_option();
        for alarm in withdrawn {
            self.alarms.change(alarm.withdrawn(context, WithdrawalReason::MessageDeleted));
        }
        Ok(())
    }

    /// Removes the alarms that an erased author's messages have caused, and withdraws this user's reactions. Unreadable
    /// texts have no mentions, so that no trace of those alarms may stay.
    pub(super) fn withdraw_author(&mut self, context: &EventContext<'_>, author: &UserId) {
        let Self { messages, posted, changed, alarms, .. } = self;
        let of_author = |id: &MessageId| messages.get(id).is_some_and(|message| message.author == *author);
        alarms.0.retain(|_, AlarmRow { alarm, .. }| {
            alarm.kind == AlarmKind::Reaction
                || alarm.room_id.box_id() != context.box_id
                || !alarm.message_id.as_ref().is_some_and(of_author)
        });
        for (id, message) in messages.iter_mut().filter(|(_, message)| message.room_id.box_id() == context.box_id) {
            let Some(mut of_message) = message.alarms.take() else { continue };
            if message.author == *author {
                of_message.posted.clear();
            }
            for reactions in of_message.remove_user(author) {
                if posted.binary_search(id).is_err() {
                    changed.messages.insert(*id);
                }
                let alarm = Alarm::of_reactions(message, *id, reactions);
                alarms.change(alarm.reduced(context, WithdrawalReason::AuthorErased));
            }
            message.alarms = of_message.into_option();
        }
    }
}

impl AlarmCause<'_> {
    fn alarm(&self, user_id: UserId, by: Option<UserId>) -> Alarm {
        let position = self.context.commit.sequence;
        Alarm {
            user_id,
            kind: self.kind,
            at: self.context.at(),
            room_id: self.room_id.clone(),
            message_id: self.message_id,
            by,
            position,
            count: 1,
            latest: position,
            changed: position,
            withdrawn: None,
            reactors: None,
        }
    }
}

impl Alarm {
    fn key(&self) -> (u64, UserId, AlarmKind) {
        (self.position, self.user_id.clone(), self.kind)
    }

    /// Returns the alarm of a user about the text of a message.
    fn of_post(message: &Message, message_id: MessageId, posted: &PostedAlarm) -> Self {
        let (position, at) = posted.edit.unwrap_or((message_id.sequence(), message.posted_at));
        Self {
            user_id: posted.user.clone(),
            kind: posted.kind,
            at,
            room_id: message.room_id.clone(),
            message_id: Some(message_id),
            by: Some(message.author.clone()),
            position,
            count: 1,
            latest: position,
            changed: position,
            withdrawn: None,
            reactors: None,
        }
    }

    /// Returns the alarm of a message's author about reactions, as at the latest one.
    fn of_reactions(message: &Message, message_id: MessageId, reactions: &ReactionAlarm) -> Self {
        Self {
            user_id: message.author.clone(),
            kind: AlarmKind::Reaction,
            at: reactions.at,
            room_id: message.room_id.clone(),
            message_id: Some(message_id),
            by: reactions.user().cloned(),
            position: reactions.position,
            count: reactions.count(),
            latest: reactions.latest(),
            changed: reactions.latest(),
            withdrawn: None,
            reactors: Some(reactions.users()),
        }
    }

    /// Returns the alarm changed by this commit, and withdrawn if nothing is left to count.
    fn reduced(self, context: &EventContext<'_>, reason: WithdrawalReason) -> Self {
        let withdrawn = (self.count == 0).then_some(reason);
        Self { changed: context.commit.sequence, withdrawn, ..self }
    }

    /// Returns the alarm withdrawn by this commit.
    fn withdrawn(self, context: &EventContext<'_>, reason: WithdrawalReason) -> Self {
        Self { changed: context.commit.sequence, withdrawn: Some(reason), ..self }
    }
}

/// Returns the users mentioned as `@user_id` in a text, in any case. E-mail addresses are not mentions.
pub(super) fn mentioned(body: &str) -> BTreeSet<UserId> {
    let (mut before, mut found) = (None, BTreeSet::new());
    if !body.contains('@') {
        return found;
    }
    for (at, character) in body.char_indices() {
        if character == '@' && !before.is_some_and(char::is_alphanumeric) {
            let rest = body.get(at + 1..).unwrap_or_default();
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').unwrap_or(rest.len());
            let name = rest.get(..end).unwrap_or_default().to_ascii_lowercase();
            found.extend(name.parse());
            // `@ann-` may be `ann` and a dash.
            found.extend(name.trim_end_matches(['-', '_']).parse());
        }
        before = Some(character);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_at_sign_before_a_user_id_is_a_mention() {
        let names = |body| mentioned(body).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names("@ann, look: (@bob_1) and @Cleo!"), ["ann", "bob_1", "cleo"]);
        assert_eq!(names("@dan-- hm"), ["dan", "dan--"]);
        assert!(names("mail ann@example.org, @ nobody, @-x, é@y").is_empty());
        assert_eq!(names("ä @ö @o"), ["o"]);
    }
}
