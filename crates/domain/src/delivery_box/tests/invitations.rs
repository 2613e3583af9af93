//! Invitations to a room.

use super::*;
use crate::delivery_box::MAX_INVITATIONS;

fn create(by: &str, at: i64) -> BoxCommand {
    let limits = InvitationLimits { uses: 2.try_into().unwrap(), minutes: 60.try_into().unwrap() };
    RoomCommand::CreateInvitation { by: user(by), token_hash: "hash-1".into(), limits, at: minute(at) }.in_room(room(1))
}

fn revoke(by: &str, invitation: u32) -> BoxCommand {
    RoomCommand::RevokeInvitation { by: user(by), invitation, at: minute(1) }.in_room(room(1))
}

fn revoked(invitation: u32) -> BoxEvent {
    RoomEvent::InvitationRevoked { invitation }.in_room(room(1))
}

fn join_with(name: &str, hash: &str, at: i64) -> BoxCommand {
    let (password, invitation) = (PasswordProof::Missing, Some(hash.to_owned()));
    RoomCommand::JoinRoom { user_id: user(name), password, invitation, at: minute(at) }.in_room(room(1))
}

/// The events after which ann has locked her room and made an invitation for two users and an hour.
fn invited(then: impl IntoIterator<Item = BoxEvent>) -> Given<DeliveryBox> {
    given([installed(), opened_locked(), invitation_created(1, 2, 60)].into_iter().chain(then))
}

#[test]
fn an_invitation_opens_a_locked_room() {
    given([installed(), opened_locked()]).when(create("ann", 0)).then([invitation_created(1, 2, 60)]);
    invited([]).when(join_with("ben", "hash-1", 1)).then([invitation_used(1, "ben"), joined("ben")]);
    invited([]).when(join_with("ben", "another", 1)).then_refused(&BoxRefusal::InvalidInvitation);
    invited([]).when(join("ben", PasswordProof::Missing)).then_refused(&BoxRefusal::WrongPassword);
}

#[test]
fn an_invitation_ends_with_its_uses_its_time_and_its_revocation() {
    let used = [invitation_used(1, "ben"), joined("ben"), invitation_used(1, "cho"), joined("cho"), left("cho")];
    invited(used).when(join_with("dan", "hash-1", 1)).then_refused(&BoxRefusal::InvalidInvitation);
    invited([]).when(join_with("ben", "hash-1", 60)).then_refused(&BoxRefusal::InvalidInvitation);
    invited([revoked(1)]).when(join_with("ben", "hash-1", 1)).then_refused(&BoxRefusal::InvalidInvitation);
}

#[test]
fn an_invitation_admits_neither_kicked_users_nor_too_many() {
    invited([joined("ben"), kicked("ben")]).when(join_with("ben", "hash-1", 1)).then_refused(&BoxRefusal::Kicked);
    invited([joined("ben")]).when(join_with("ben", "hash-1", 1)).then_refused(&BoxRefusal::AlreadyMember);
    let full = [joined("ben"), joined("cho")];
    invited(full).when(join_with("dan", "hash-1", 1)).then_refused(&BoxRefusal::RoomFull);
}

#[test]
fn invitations_are_revoked_by_their_numbers() {
    invited([]).when(revoke("ann", 1)).then([revoked(1)]);
    invited([revoked(1)]).when(revoke("ann", 1)).then_nothing();
    for unknown in [0, 2] {
        invited([]).when(revoke("ann", unknown)).then_refused(&BoxRefusal::InvitationNotFound);
    }
}

#[test]
fn a_room_has_a_bounded_number_of_valid_invitations() {
    let many = (1..=u32::try_from(MAX_INVITATIONS).unwrap()).map(|number| invitation_created(number, 2, 60));
    let past: Vec<BoxEvent> = room_with_and(&[], many);
    given(past.clone()).when(create("ann", 59)).then_refused(&BoxRefusal::TooManyInvitations);
    let created = RoomEvent::InvitationCreated {
        invitation: 11,
        token_hash: "hash-1".into(),
        max_uses: 2,
        created_at: minute(60),
        expires_at: minute(120),
    };
    given(past).when(create("ann", 60)).then([created.in_room(room(1))]);
}
