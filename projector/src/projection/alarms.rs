//! Alarms of users, derived from the events of a box alone. The acting user is never alarmed.

use std::collections::BTreeSet;

use domain::{AlarmKind, MessageId, RoomId, UserId};

use super::{
    error::InvalidEvent,
    tables::Alarm,
    workspace::{EventContext, Workspace},
};

/// An event of a room that causes alarms.
#[derive(Debug, Clone, Copy)]
pub(super) struct AlarmCause<'a> {
    pub(super) context: &'a EventContext<'a>,
    pub(super) room_id: &'a RoomId,
    pub(super) kind: AlarmKind,
    pub(super) message_id: Option<MessageId>,
}

impl Workspace {
    /// Alarms one user, unless that user is the actor.
    pub(super) fn alarm(&mut self, cause: AlarmCause<'_>, user_id: &UserId) {
        if !cause.context.is_actor(user_id) {
            let by = cause.context.actor.cloned();
            self.add_alarm(cause.alarm(user_id.clone(), by));
        }
    }

    /// Alarms a user who may still read the room.
    pub(super) fn alarm_if_inside(&mut self, cause: AlarmCause<'_>, user_id: &UserId) -> Result<(), InvalidEvent> {
        if self.room(cause.room_id)?.has_member(user_id) {
            self.alarm(cause, user_id);
        }
        Ok(())
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
        let room = self.rooms.get(cause.room_id);
        let room = room.ok_or_else(|| InvalidEvent(format!("there is no room {}", cause.room_id)))?;
        let alarms: Vec<Alarm> = room.inside().map(|user_id| cause.alarm(user_id.clone(), None)).collect();
        for alarm in alarms {
            self.add_alarm(alarm);
        }
        Ok(())
    }

    /// Adds an alarm, unless an earlier event of the same commit has caused the same kind for the same user.
    fn add_alarm(&mut self, alarm: Alarm) {
        let mut of_commit = self.alarms.iter().rev().take_while(|other| other.position == alarm.position);
        if !of_commit.any(|other| other.user_id == alarm.user_id && other.kind == alarm.kind) {
            self.alarms.push(alarm);
        }
    }
}

impl AlarmCause<'_> {
    fn alarm(&self, user_id: UserId, by: Option<UserId>) -> Alarm {
        Alarm {
            user_id,
            kind: self.kind,
            at: self.context.at(),
            room_id: self.room_id.clone(),
            message_id: self.message_id,
            by,
            position: self.context.commit.sequence,
        }
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
