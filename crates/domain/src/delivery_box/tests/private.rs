//! Private boxes: only allowed users open rooms and join them, and guests of a room with its invitation.

use super::*;
use crate::delivery_box::MAX_USERS;

fn allow(name: &str) -> BoxCommand {
    BoxCommand::Box(OwnCommand::AllowUser { user_id: user(name) })
}

fn disallow(name: &str) -> BoxCommand {
    BoxCommand::Box(OwnCommand::DisallowUser { user_id: user(name) })
}

fn allowed(name: &str) -> BoxEvent {
    BoxEvent::Box(OwnEvent::UserAllowed { user_id: user(name) })
}

fn disallowed(name: &str) -> BoxEvent {
    BoxEvent::Box(OwnEvent::UserDisallowed { user_id: user(name) })
}

fn made(kind: BoxKind) -> BoxEvent {
    BoxEvent::Box(OwnEvent::BoxDetailsChanged {
        kind: Some(kind),
        zip_code: None,
        address: None,
        detailed_address: None,
        coordinates: None,
    })
}

/// A private box that ann may use, followed by these events.
fn private(then: impl IntoIterator<Item = BoxEvent>) -> Given<DeliveryBox> {
    given([installed(), made(BoxKind::Private), allowed("ann")].into_iter().chain(then))
}

fn join_with(name: &str, hash: &str) -> BoxCommand {
    let (password, invitation) = (PasswordProof::Missing, Some(hash.to_owned()));
    RoomCommand::JoinRoom { user_id: user(name), password, invitation, at: minute(1) }.in_room(room(1))
}

#[test]
fn only_allowed_users_open_and_join_rooms_of_a_private_box() {
    private([]).when(open("ann", 0)).then([opened(1, "ann", 0)]);
    private([]).when(open("ben", 0)).then_refused(&BoxRefusal::PrivateBox);
    let opened = || opened(1, "ann", 0);
    private([opened()]).when(join("ben", PasswordProof::Missing)).then_refused(&BoxRefusal::PrivateBox);
    private([opened(), allowed("ben")]).when(join("ben", PasswordProof::Missing)).then([joined("ben")]);
}

#[test]
fn an_invitation_to_a_room_admits_a_guest() {
    let past = [opened(1, "ann", 0), invitation_created(1, 1, 60)];
    private(past.clone()).when(join_with("ben", "hash-1")).then([invitation_used(1, "ben"), joined("ben")]);
    private(past).when(join_with("ben", "hash-2")).then_refused(&BoxRefusal::InvalidInvitation);
}

#[test]
fn all_users_use_a_box_that_is_shared_again() {
    private([made(BoxKind::Shared)]).when(open("ben", 0)).then([opened(1, "ben", 0)]);
    given([installed(), made(BoxKind::Private)]).when(open("ben", 0)).then_refused(&BoxRefusal::PrivateBox);
}

#[test]
fn members_stay_when_the_box_becomes_private_or_their_permission_ends() {
    let post = |name: &str| {
        TalkCommand::PostMessage { author: user(name), body: text("hi"), reply_to: None, at: minute(1) }
            .in_room(room(1))
    };
    let private_later = || given(room_with_and(&["ben"], [made(BoxKind::Private)]));
    private_later().when(post("ben")).then([posted("ben", "hi", None)]);
    private_later().when(join("cho", PasswordProof::Missing)).then_refused(&BoxRefusal::PrivateBox);
    let members = [allowed("ben"), opened(1, "ann", 0), joined("ben"), disallowed("ben"), disallowed("ann")];
    private(members.clone()).when(post("ann")).then([posted("ann", "hi", None)]);
    private(members.clone()).when(post("ben")).then([posted("ben", "hi", None)]);
    let ben_left = members.into_iter().chain([left("ben")]);
    private(ben_left).when(join("ben", PasswordProof::Missing)).then_refused(&BoxRefusal::PrivateBox);
}

#[test]
fn users_are_allowed_and_disallowed_once() {
    given([installed()]).when(allow("ann")).then([allowed("ann")]);
    private([]).when(allow("ann")).then_nothing();
    private([]).when(disallow("ann")).then([disallowed("ann")]);
    private([]).when(disallow("ben")).then_nothing();
    private([erased("ann")]).when(disallow("ann")).then_nothing();
    given([]).when(allow("ann")).then_refused(&BoxRefusal::BoxNotFound);
    private([BoxEvent::Box(OwnEvent::BoxRetired {})]).when(allow("ben")).then_refused(&BoxRefusal::BoxRetired);
}

#[test]
fn a_box_has_a_bounded_number_of_users() {
    let many = (0..MAX_USERS).map(|number| allowed(&format!("u{number}")));
    let past: Vec<BoxEvent> = [installed()].into_iter().chain(many).collect();
    given(past.clone()).when(allow("ann")).then_refused(&BoxRefusal::TooManyUsers);
    given(past.into_iter().chain([disallowed("u0")])).when(allow("ann")).then([allowed("ann")]);
}
