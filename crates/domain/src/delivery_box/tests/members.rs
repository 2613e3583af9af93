//! Membership: joining, leaving, kicking, and changes of the host.

use super::*;
use crate::scenario::fold;

fn leave(name: &str) -> BoxCommand {
    RoomCommand::LeaveRoom { user_id: user(name), at: minute(1) }.in_room(room(1))
}

fn kick(by: &str, name: &str) -> BoxCommand {
    RoomCommand::KickMember { by: user(by), user_id: user(name), at: minute(1) }.in_room(room(1))
}

fn transfer(by: &str, to: &str) -> BoxCommand {
    RoomCommand::TransferHost { by: user(by), to: user(to), at: minute(1) }.in_room(room(1))
}

#[test]
fn any_user_joins_a_room_without_a_password() {
    given(room_with(&[])).when(join("ben", PasswordProof::Missing)).then([joined("ben")]);
    given(room_with(&[])).when(join("ben", PasswordProof::Wrong)).then([joined("ben")]);
}

#[test]
fn a_locked_room_requires_its_password() {
    let locked = || given([installed(), opened_locked()]);
    let of_another_room = PasswordProof::Matches("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$b3RoZXI".into());
    locked().when(join("ben", PasswordProof::Matches(HASH.into()))).then([joined("ben")]);
    for proof in [PasswordProof::Missing, PasswordProof::Wrong, of_another_room] {
        locked().when(join("ben", proof)).then_refused(&BoxRefusal::WrongPassword);
    }
}

#[test]
fn a_full_room_accepts_no_user_until_a_member_leaves() {
    given(room_with(&["ben"])).when(join("cho", PasswordProof::Missing)).then([joined("cho")]);
    let full = room_with(&["ben", "cho"]);
    given(full.clone()).when(join("dan", PasswordProof::Missing)).then_refused(&BoxRefusal::RoomFull);
    let seat_again = full.into_iter().chain([left("ben")]);
    given(seat_again).when(join("dan", PasswordProof::Missing)).then([joined("dan")]);
}

#[test]
fn a_member_cannot_join_again() {
    let past = given(room_with(&["ben"]));
    let commands = ["ann", "ben"].map(|name| join(name, PasswordProof::Missing));
    past.each_refused(commands, &BoxRefusal::AlreadyMember);
}

#[test]
fn a_former_member_may_rejoin() {
    let past = room_with_and(&["ben"], [left("ben")]);
    given(past).when(join("ben", PasswordProof::Missing)).then([joined("ben")]);
}

#[test]
fn a_kicked_user_cannot_rejoin() {
    let past = room_with_and(&["ben"], [kicked("ben")]);
    given(past).when(join("ben", PasswordProof::Missing)).then_refused(&BoxRefusal::Kicked);
}

#[test]
fn a_kicked_user_cannot_rejoin_with_the_password_either() {
    let past = [installed(), opened_locked(), joined("ben"), kicked("ben")];
    given(past).when(join("ben", PasswordProof::Matches(HASH.into()))).then_refused(&BoxRefusal::Kicked);
}

#[test]
fn a_kicked_user_may_join_the_next_room() {
    let next = [kicked("ben"), closed(1, RoomClosedReason::Host), opened(2, "ann", 1)];
    given(room_with_and(&["ben"], next))
        .when(
            RoomCommand::JoinRoom {
                user_id: user("ben"),
                password: PasswordProof::Missing,
                invitation: None,
                at: minute(2),
            }
            .in_room(room(2)),
        )
        .then([RoomEvent::MemberJoined { user_id: user("ben") }.in_room(room(2))]);
}

#[test]
fn a_member_leaves() {
    given(room_with(&["ben"])).when(leave("ben")).then([left("ben")]);
}

#[test]
fn the_longest_standing_member_succeeds_a_leaving_host() {
    let succession = host_changed("ann", "ben", HostChange::Succession);
    given(room_with(&["ben", "cho"])).when(leave("ann")).then([left("ann"), succession]);
}

#[test]
fn a_rejoined_member_ranks_behind_those_who_stayed() {
    let past = room_with_and(&["ben", "cho"], [left("ben"), joined("ben")]);
    let succession = host_changed("ann", "cho", HostChange::Succession);
    given(past).when(leave("ann")).then([left("ann"), succession]);
}

#[test]
fn a_former_host_who_stayed_succeeds_a_leaving_host() {
    let past = room_with_and(&["ben"], [host_changed("ann", "ben", HostChange::Transferred)]);
    let succession = host_changed("ben", "ann", HostChange::Succession);
    given(past).when(leave("ben")).then([left("ben"), succession]);
}

#[test]
fn the_room_closes_when_the_last_member_leaves() {
    given(room_with(&[])).when(leave("ann")).then([left("ann"), closed(1, RoomClosedReason::Empty)]);
}

#[test]
fn the_host_kicks_a_member() {
    given(room_with(&["ben"])).when(kick("ann", "ben")).then([kicked("ben")]);
}

#[test]
fn a_host_cannot_kick_themselves() {
    given(room_with(&["ben"])).when(kick("ann", "ann")).then_refused(&BoxRefusal::CannotKickYourself);
}

#[test]
fn only_members_can_be_kicked() {
    given(room_with(&[])).when(kick("ann", "dan")).then_refused(&BoxRefusal::MemberNotFound);
    let past = room_with_and(&["ben"], [kicked("ben")]);
    given(past).when(kick("ann", "ben")).then_refused(&BoxRefusal::MemberNotFound);
}

/// The events of a room with a host, a member, and `count` kicked users.
fn room_after_kicks(count: usize) -> Vec<BoxEvent> {
    let guests = (0..count).map(|number| format!("guest-{number}"));
    room_with_and(&["ben"], guests.flat_map(|guest| [joined(&guest), kicked(&guest)]))
}

#[test]
fn a_room_remembers_500_kicked_users_and_refuses_to_kick_more() {
    given(room_after_kicks(499)).when(kick("ann", "ben")).then([kicked("ben")]);
    given(room_after_kicks(500)).when(kick("ann", "ben")).then_refused(&BoxRefusal::TooManyKicks);
    given(room_after_kicks(500)).when(kick("ben", "ann")).then_refused(&BoxRefusal::NotAModerator);
    given(room_after_kicks(500)).when(kick("ann", "dan")).then_refused(&BoxRefusal::MemberNotFound);
}

#[test]
fn a_room_of_an_earlier_release_with_more_kicked_users_continues_and_closes() {
    let past = || room_after_kicks(4_500);
    given(past()).when(kick("ann", "ben")).then_refused(&BoxRefusal::TooManyKicks);
    given(past()).when(join("guest-4499", PasswordProof::Missing)).then_refused(&BoxRefusal::Kicked);
    given(past()).when(leave("ben")).then([left("ben")]);
    for reason in [RoomClosedReason::Host, RoomClosedReason::Empty, RoomClosedReason::Expired] {
        let state = fold(DeliveryBox::default(), past().into_iter().chain([closed(1, reason)]));
        let bytes = serde_json::to_vec(&state).unwrap().len();
        assert!(bytes < 1_000, "the state of a closed room has no kicked users, but {bytes} bytes");
    }
}

#[test]
fn the_host_transfers_the_room_to_a_member() {
    let transferred = host_changed("ann", "ben", HostChange::Transferred);
    given(room_with(&["ben"])).when(transfer("ann", "ben")).then([transferred]);
}

#[test]
fn a_room_is_not_transferred_to_a_non_member() {
    given(room_with(&[])).when(transfer("ann", "dan")).then_refused(&BoxRefusal::MemberNotFound);
}

#[test]
fn transferring_the_room_to_its_host_changes_nothing() {
    given(room_with(&[])).when(transfer("ann", "ann")).then_nothing();
}

#[test]
fn the_permissions_of_the_host_move_to_the_new_host() {
    let past = || room_with_and(&["ben", "cho"], [host_changed("ann", "ben", HostChange::Transferred)]);
    given(past()).each_refused(host_commands(&room(1), "ann", 1), &BoxRefusal::NotTheHost);
    given(past())
        .when(kick("ben", "ann"))
        .then([RoomEvent::MemberKicked { user_id: user("ann"), by: user("ben") }.in_room(room(1))]);
}

#[test]
fn former_members_are_refused_every_command() {
    for gone in [left("ben"), kicked("ben")] {
        let past = given(room_with_and(&["ben", "cho"], [gone]));
        past.each_refused(room_commands(&room(1), "ben", 1), &BoxRefusal::NotAMember);
    }
}

#[test]
fn a_room_knows_its_members() {
    let past = room_with_and(&["ben", "cho"], [kicked("cho"), extended(1, 2, DEADLINE + 120)]);
    let state = fold(DeliveryBox::default(), past);
    let inside = state.room().unwrap();
    assert_eq!(inside.room_id(), &room(1));
    assert_eq!(inside.host(), &user("ann"));
    assert_eq!(inside.members(), [user("ann"), user("ben")]);
    assert!(inside.has_member(&user("ben")) && !inside.has_member(&user("cho")));
    assert!(inside.kicked().contains(&user("cho")) && inside.kicked().len() == 1);
    assert_eq!((inside.max_members(), inside.password_hash()), (3, None));
    assert_eq!((inside.closes_at(), inside.is_closed()), (minute(DEADLINE + 120), false));
    assert!(state.last_room(&room(1)).is_some() && state.last_room(&room(2)).is_none());
}

#[test]
fn members_at_closing_stay_known() {
    let state = fold(DeliveryBox::default(), room_with_and(&["ben"], [closed(1, RoomClosedReason::Host)]));
    let last = state.room().unwrap();
    assert!(last.is_closed() && last.has_member(&user("ann")) && last.has_member(&user("ben")));
}

#[test]
fn an_erased_member_leaves_the_open_room_first() {
    let succession = || host_changed("ann", "ben", HostChange::Succession);
    given(room_with(&["ben"])).when(erase_author("ben", 1)).then([left("ben"), erased("ben")]);
    given(room_with(&["ben"])).when(erase_author("ann", 1)).then([left("ann"), succession(), erased("ann")]);
    let empty = closed(1, RoomClosedReason::Empty);
    given(room_with(&[])).when(erase_author("ann", 1)).then([left("ann"), empty, erased("ann")]);
}

#[test]
fn an_erased_non_member_does_not_leave() {
    let gone = room_with_and(&["ben"], [left("ben")]);
    given(gone.clone()).when(erase_author("ben", 1)).then([erased("ben")]);
    given(gone).when(erase_author("cho", 1)).then([erased("cho")]);
    given(room_with(&["ben"])).when(erase_author("ben", DEADLINE)).then([erased("ben")]);
    given(vec![]).when(erase_author("ben", 1)).then_refused(&BoxRefusal::BoxNotFound);
}

fn lift_kick(name: &str, at: i64) -> BoxCommand {
    RoomCommand::LiftKick { user_id: user(name), at: minute(at) }.in_room(room(1))
}

fn kick_lifted(name: &str) -> BoxEvent {
    RoomEvent::KickLifted { user_id: user(name) }.in_room(room(1))
}

#[test]
fn a_user_can_join_again_after_a_moderator_has_lifted_the_kick() {
    let past = || room_with_and(&["ben", "cho"], [kicked("ben"), kicked("cho")]);
    given(past()).when(lift_kick("ben", 1)).then([kick_lifted("ben")]);
    let lifted = || past().into_iter().chain([kick_lifted("ben")]).collect::<Vec<_>>();
    given(lifted()).when(join("ben", PasswordProof::Missing)).then([joined("ben")]);
    given(lifted()).when(join("cho", PasswordProof::Missing)).then_refused(&BoxRefusal::Kicked);
    given(lifted()).when(lift_kick("ben", 1)).then_nothing();
    let again = lifted().into_iter().chain([joined("ben")]);
    given(again).when(kick("ann", "ben")).then([kicked("ben")]);
}

#[test]
fn a_kick_is_lifted_in_an_open_room_only() {
    given(room_with(&["ben"])).when(lift_kick("ben", 1)).then_nothing();
    given(room_with(&[])).when(lift_kick("ben", 1)).then_nothing();
    let past = || room_with_and(&["ben"], [kicked("ben")]);
    given(past()).when(lift_kick("ben", DEADLINE)).then_refused(&BoxRefusal::RoomClosed);
    let closed = past().into_iter().chain([closed(1, RoomClosedReason::Host)]);
    given(closed).when(lift_kick("ben", 1)).then_refused(&BoxRefusal::RoomClosed);
    given([installed()]).when(lift_kick("ben", 1)).then_refused(&BoxRefusal::RoomNotFound);
}

#[test]
fn a_suspended_member_leaves_the_open_room() {
    let remove = |name, at| BoxCommand::Box(OwnCommand::RemoveSuspended { user_id: user(name), at: minute(at) });
    let succession = host_changed("ann", "ben", HostChange::Succession);
    given(room_with(&["ben"])).when(remove("ben", 1)).then([left("ben")]);
    given(room_with(&["ben"])).when(remove("ann", 1)).then([left("ann"), succession]);
    given(room_with(&[])).when(remove("ann", 1)).then([left("ann"), closed(1, RoomClosedReason::Empty)]);
    given(room_with(&[])).when(remove("ben", 1)).then_nothing();
    given(room_with(&["ben"])).when(remove("ben", DEADLINE)).then_nothing();
    given([]).when(remove("ben", 1)).then_refused(&BoxRefusal::BoxNotFound);
    // After the suspension the user may return.
    let past = room_with_and(&["ben"], [left("ben")]);
    given(past).when(join("ben", PasswordProof::Missing)).then([joined("ben")]);
}
