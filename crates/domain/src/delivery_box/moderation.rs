//! Decisions of the host and the co-hosts about members and messages, and of moderators about kicks.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    BoxRefusal, DeliveryBox, MAX_CO_HOSTS, MAX_KICKED, MAX_MUTED, MAX_PINS, OriginalMessage, event::RoomEvent,
    room::Room,
};
use crate::{
    ids::{MessageId, RoomId, UserId},
    values::{MuteMinutes, SlowModeSeconds},
};

type Decision = Result<Vec<RoomEvent>, BoxRefusal>;

impl Room {
    /// Requires that a moderator may act on a user: a co-host acts neither on the host nor on co-hosts.
    fn may_act_on(&self, by: &UserId, user_id: &UserId) -> Result<(), BoxRefusal> {
        if self.host == *by || !self.is_moderator(user_id) { Ok(()) } else { Err(BoxRefusal::NotAModerator) }
    }

    /// The end of the muting of a user who is muted at this time.
    fn muted_until(&self, user_id: &UserId, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.muted.get(user_id).copied().filter(|until| at < *until)
    }

    /// Requires that a user is not muted.
    pub(super) fn not_muted(&self, user_id: &UserId, at: DateTime<Utc>) -> Result<(), BoxRefusal> {
        let Some(until) = self.muted_until(user_id, at) else { return Ok(()) };
        // Rounded up, so that a command after this time is accepted.
        let seconds = u32::try_from((until - at).num_milliseconds().saturating_add(999) / 1000).unwrap_or(u32::MAX);
        Err(BoxRefusal::Muted { until, seconds })
    }
}

impl DeliveryBox {
    pub(super) fn kick(&self, room_id: &RoomId, by: UserId, user_id: UserId, at: DateTime<Utc>) -> Decision {
        let room = self.moderators_room(room_id, &by, at)?;
        if by == user_id {
            return Err(BoxRefusal::CannotKickYourself);
        }
        if !room.has_member(&user_id) {
            return Err(BoxRefusal::MemberNotFound);
        }
        room.may_act_on(&by, &user_id)?;
        if room.kicked.len() >= MAX_KICKED {
            return Err(BoxRefusal::TooManyKicks);
        }
        Ok(vec![RoomEvent::MemberKicked { user_id, by }])
    }

    pub(super) fn lift_kick(&self, room_id: &RoomId, user_id: UserId, at: DateTime<Utc>) -> Decision {
        let is_kicked = self.open_room(room_id, at)?.kicked.contains(&user_id);
        Ok(if is_kicked { vec![RoomEvent::KickLifted { user_id }] } else { vec![] })
    }

    pub(super) fn appoint_co_host(
        &self,
        room_id: &RoomId,
        by: &UserId,
        user_id: UserId,
        at: DateTime<Utc>,
    ) -> Decision {
        let room = self.hosts_room(room_id, by, at)?;
        if !room.has_member(&user_id) {
            return Err(BoxRefusal::MemberNotFound);
        }
        if room.host == user_id {
            return Err(BoxRefusal::IsTheHost);
        }
        if room.co_hosts.contains(&user_id) {
            return Ok(vec![]);
        }
        if room.co_hosts.len() >= MAX_CO_HOSTS {
            return Err(BoxRefusal::TooManyCoHosts);
        }
        Ok(vec![RoomEvent::CoHostAppointed { user_id }])
    }

    pub(super) fn dismiss_co_host(
        &self,
        room_id: &RoomId,
        by: &UserId,
        user_id: UserId,
        at: DateTime<Utc>,
    ) -> Decision {
        let room = self.hosts_room(room_id, by, at)?;
        Ok(if room.co_hosts.contains(&user_id) { vec![RoomEvent::CoHostDismissed { user_id }] } else { vec![] })
    }

    pub(super) fn mute(
        &self,
        room_id: &RoomId,
        by: &UserId,
        (user_id, minutes): (UserId, MuteMinutes),
        at: DateTime<Utc>,
    ) -> Decision {
        let room = self.moderators_room(room_id, by, at)?;
        if !room.has_member(&user_id) {
            return Err(BoxRefusal::MemberNotFound);
        }
        room.may_act_on(by, &user_id)?;
        if room.host == user_id {
            return Err(BoxRefusal::IsTheHost);
        }
        let until = at + TimeDelta::minutes(i64::from(minutes.get()));
        if room.muted_until(&user_id, at) == Some(until) {
            return Ok(vec![]);
        }
        let others = room.muted.iter().filter(|(muted, until)| **muted != user_id && at < **until);
        if others.count() >= MAX_MUTED {
            return Err(BoxRefusal::TooManyMutes);
        }
        Ok(vec![RoomEvent::MemberMuted { user_id, muted_at: at, until }])
    }

    pub(super) fn unmute(&self, room_id: &RoomId, by: &UserId, user_id: UserId, at: DateTime<Utc>) -> Decision {
        let room = self.moderators_room(room_id, by, at)?;
        room.may_act_on(by, &user_id)?;
        let is_muted = room.muted_until(&user_id, at).is_some();
        Ok(if is_muted { vec![RoomEvent::MemberUnmuted { user_id }] } else { vec![] })
    }

    pub(super) fn set_slow_mode(
        &self,
        room_id: &RoomId,
        by: &UserId,
        seconds: SlowModeSeconds,
        at: DateTime<Utc>,
    ) -> Decision {
        let room = self.hosts_room(room_id, by, at)?;
        let seconds = seconds.get();
        Ok(if room.slow_mode == seconds { vec![] } else { vec![RoomEvent::SlowModeSet { seconds }] })
    }

    /// Pins a message. The oldest pin makes room for it.
    pub(super) fn pin(
        &self,
        room_id: &RoomId,
        by: &UserId,
        original: Option<OriginalMessage>,
        at: DateTime<Utc>,
    ) -> Decision {
        let room = self.moderators_room(room_id, by, at)?;
        let original = original.filter(|message| message.room_id == *room_id).ok_or(BoxRefusal::MessageNotFound)?;
        if original.state.deleted {
            return Err(BoxRefusal::MessageDeleted);
        }
        let message_id = original.message_id;
        if room.pins.contains(&message_id) {
            return Ok(vec![]);
        }
        let replaced = room.pins.first().copied().filter(|_| room.pins.len() >= MAX_PINS);
        Ok(vec![RoomEvent::MessagePinned { message_id, replaced }])
    }

    pub(super) fn unpin(&self, room_id: &RoomId, by: &UserId, message_id: MessageId, at: DateTime<Utc>) -> Decision {
        let room = self.moderators_room(room_id, by, at)?;
        Ok(room.unpinned(message_id))
    }

    /// Unpins a message that was deleted. Has no effect if the room is closed.
    pub(super) fn unpin_deleted(&self, room_id: &RoomId, message_id: MessageId, at: DateTime<Utc>) -> Vec<RoomEvent> {
        let open = self.current_room(at).filter(|room| room.id == *room_id);
        open.map(|room| room.unpinned(message_id)).unwrap_or_default()
    }
}

impl Room {
    fn unpinned(&self, message_id: MessageId) -> Vec<RoomEvent> {
        if self.pins.contains(&message_id) { vec![RoomEvent::MessageUnpinned { message_id }] } else { vec![] }
    }
}
