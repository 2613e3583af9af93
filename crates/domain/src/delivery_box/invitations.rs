//! Invitations of a room: users join with them without the password.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    BoxRefusal, DeliveryBox, MAX_INVITATIONS,
    event::RoomEvent,
    invitation::{Invitation, InvitationLimits},
    room::Room,
};
use crate::ids::{RoomId, UserId};

impl Room {
    /// Returns the number of the invitation with this hash, if a user can join with it.
    pub(super) fn valid_invitation(&self, hash: &str, at: DateTime<Utc>) -> Result<u32, BoxRefusal> {
        let found = self.invitations.iter().find(|one| one.hash == hash && one.is_valid(at));
        found.map(|one| one.number).ok_or(BoxRefusal::InvalidInvitation)
    }

    /// Applies an event of an invitation.
    pub(super) fn apply_invitation(&mut self, event: RoomEvent) {
        if let RoomEvent::InvitationCreated { invitation, token_hash, max_uses, created_at, expires_at } = event {
            self.invitations.retain(|one| one.is_valid(created_at));
            let (number, hash, uses) = (invitation, token_hash, max_uses);
            self.invitations.push(Invitation { number, hash, uses, expires_at });
            self.last_invitation = invitation;
        } else if let RoomEvent::InvitationRevoked { invitation } = event {
            self.invitations.retain(|one| one.number != invitation);
        } else if let RoomEvent::InvitationUsed { invitation, .. } = event
            && let Some(used) = self.invitations.iter_mut().find(|one| one.number == invitation)
        {
            used.uses = used.uses.saturating_sub(1);
        }
    }
}

impl DeliveryBox {
    pub(super) fn create_invitation(
        &self,
        room_id: &RoomId,
        by: &UserId,
        (token_hash, limits): (String, InvitationLimits),
        at: DateTime<Utc>,
    ) -> Result<Vec<RoomEvent>, BoxRefusal> {
        let room = self.moderators_room(room_id, by, at)?;
        if room.invitations.iter().filter(|one| one.is_valid(at)).count() >= MAX_INVITATIONS {
            return Err(BoxRefusal::TooManyInvitations);
        }
        Ok(vec![RoomEvent::InvitationCreated {
            invitation: room.last_invitation + 1,
            token_hash,
            max_uses: limits.uses.get(),
            created_at: at,
            expires_at: at + TimeDelta::minutes(i64::from(limits.minutes.get())),
        }])
    }

    /// An invitation that is not valid any more counts as revoked.
    pub(super) fn revoke_invitation(
        &self,
        room_id: &RoomId,
        by: &UserId,
        invitation: u32,
        at: DateTime<Utc>,
    ) -> Result<Vec<RoomEvent>, BoxRefusal> {
        let room = self.moderators_room(room_id, by, at)?;
        if invitation == 0 || invitation > room.last_invitation {
            return Err(BoxRefusal::InvitationNotFound);
        }
        let is_valid = room.invitations.iter().any(|one| one.number == invitation && one.is_valid(at));
        Ok(if is_valid { vec![RoomEvent::InvitationRevoked { invitation }] } else { vec![] })
    }
}
