//! Co-hosts, muted members, slow mode, pinned messages and invitations of a room.

use chrono::{DateTime, Utc};
use domain::{MessageId, RoomEvent, RoomId, UserId};

use super::{
    error::InvalidEvent,
    invitation::Invitation,
    workspace::{EventContext, Workspace},
};

impl Workspace {
    pub(super) fn set_co_host(
        &mut self,
        room_id: &RoomId,
        user_id: &UserId,
        co_host: bool,
    ) -> Result<(), InvalidEvent> {
        self.change_member(room_id, user_id)?.co_host = co_host;
        Ok(())
    }

    /// Sets the end of a muting. The user may have left the room.
    pub(super) fn set_muted_until(
        &mut self,
        room_id: &RoomId,
        user_id: &UserId,
        until: Option<DateTime<Utc>>,
    ) -> Result<(), InvalidEvent> {
        let room = self.change_room(room_id)?;
        let member = room.members.get_mut(user_id);
        member.ok_or_else(|| InvalidEvent(format!("{user_id} was never in room {room_id}")))?.muted_until = until;
        self.changed.mark_member(room_id, user_id);
        Ok(())
    }

    pub(super) fn set_slow_mode(&mut self, room_id: &RoomId, seconds: u32) -> Result<(), InvalidEvent> {
        self.change_room(room_id)?.row.slow_mode_seconds = seconds.cast_signed();
        Ok(())
    }

    /// Pins a message, unless it was deleted before, on every replay. Returns true if the event has an effect.
    pub(super) fn pin(
        &mut self,
        room_id: &RoomId,
        message_id: MessageId,
        replaced: Option<MessageId>,
    ) -> Result<bool, InvalidEvent> {
        let is_deleted = self.message(room_id, message_id)?.body.is_none();
        let pins = &mut self.change_room(room_id)?.row.pins;
        pins.retain(|pinned| *pinned != message_id && Some(*pinned) != replaced);
        if !is_deleted {
            pins.push(message_id);
        }
        Ok(!is_deleted || replaced.is_some())
    }

    pub(super) fn unpin(&mut self, room_id: &RoomId, message_id: MessageId) -> Result<(), InvalidEvent> {
        self.change_room(room_id)?.row.pins.retain(|pinned| *pinned != message_id);
        Ok(())
    }

    pub(super) fn change_invitations(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        event: &RoomEvent,
    ) -> Result<(), InvalidEvent> {
        let invitations = &mut self.change_room(room_id)?.row.invitations;
        if let RoomEvent::InvitationCreated { invitation, max_uses, created_at, expires_at, .. } = event {
            invitations.retain(|one| one.uses < one.max_uses && *created_at < one.expires_at);
            invitations.push(Invitation {
                number: *invitation,
                by: context.actor.cloned(),
                max_uses: *max_uses,
                uses: 0,
                created_at: *created_at,
                expires_at: *expires_at,
            });
        } else if let RoomEvent::InvitationRevoked { invitation } = event {
            invitations.retain(|one| one.number != *invitation);
        } else if let RoomEvent::InvitationUsed { invitation, .. } = event
            && let Some(used) = invitations.iter_mut().find(|one| one.number == *invitation)
        {
            used.uses += 1;
        }
        Ok(())
    }
}
