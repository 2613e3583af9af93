//! Rooms: opened on a free box, one at a time, moved forward and closed by their host.

use super::*;

fn advance(by: &str, step: Step) -> BoxCommand {
    RoomCommand::AdvanceStep { by: user(by), step, at: minute(1) }.in_room(room(1))
}

fn advanced(step: Step) -> BoxEvent {
    RoomEvent::StepAdvanced { step }.in_room(room(1))
}

fn close(by: &str) -> BoxCommand {
    RoomCommand::CloseRoom { by: user(by), at: minute(1) }.in_room(room(1))
}

#[test]
fn a_room_opens_on_a_free_box_for_three_hours() {
    given([installed()]).when(open("ann", 0)).then([opened(1, "ann", 0)]);
}

#[test]
fn a_room_keeps_its_password_as_a_hash() {
    let mut command = open("ann", 0);
    if let BoxCommand::Box(OwnCommand::OpenRoom { password_hash, .. }) = &mut command {
        *password_hash = Some(HASH.into());
    }
    given([installed()]).when(command).then([opened_locked()]);
}

#[test]
fn a_box_has_one_open_room_at_a_time() {
    given(room_with(&[])).when(open("ben", 0)).then_refused(&BoxRefusal::BoxInUse);
    given(room_with(&[])).when(open("ann", DEADLINE - 1)).then_refused(&BoxRefusal::BoxInUse);
}

#[test]
fn a_closed_room_frees_its_box_and_the_next_one_has_the_next_number() {
    let past = room_with_and(&["ben"], [closed(1, RoomClosedReason::Host)]);
    given(past).when(open("ben", 5)).then([opened(2, "ben", 5)]);
}

#[test]
fn a_room_needs_a_store_that_accepts_orders() {
    let mut command = open("ann", 0);
    if let BoxCommand::Box(OwnCommand::OpenRoom { store_open, .. }) = &mut command {
        *store_open = false;
    }
    given([installed()]).when(command).then_refused(&BoxRefusal::StoreClosed);
}

#[test]
fn the_host_advances_the_order_by_one_or_several_steps() {
    given(room_with(&[])).when(advance("ann", Step::Ordering)).then([advanced(Step::Ordering)]);
    given(room_with(&[])).when(advance("ann", Step::Collected)).then([advanced(Step::Collected)]);
}

#[test]
fn an_order_never_moves_backward() {
    let past = room_with_and(&[], [advanced(Step::Ordered)]);
    given(past).when(advance("ann", Step::Ordering)).then_refused(&BoxRefusal::StepNotForward(Step::Ordered));
}

#[test]
fn setting_the_current_step_changes_nothing() {
    given(room_with_and(&[], [advanced(Step::Ordered)])).when(advance("ann", Step::Ordered)).then_nothing();
    given(room_with(&[])).when(advance("ann", Step::Gathering)).then_nothing();
}

#[test]
fn the_host_closes_the_room() {
    given(room_with(&["ben"])).when(close("ann")).then([closed(1, RoomClosedReason::Host)]);
}

#[test]
fn commands_of_the_host_are_refused_to_members_and_strangers() {
    let past = given(room_with(&["ben", "cho"]));
    past.each_refused(host_commands(&room(1), "ben", 1), &BoxRefusal::NotTheHost);
    past.each_refused(moderator_commands(&room(1), "ben", 1), &BoxRefusal::NotAModerator);
    past.each_refused(host_commands(&room(1), "dan", 1), &BoxRefusal::NotAMember);
    past.each_refused(moderator_commands(&room(1), "dan", 1), &BoxRefusal::NotAMember);
    let by_co_host = given(room_with_and(&["ben", "cho"], [co_host("ben")]));
    by_co_host.each_refused(host_commands(&room(1), "ben", 1), &BoxRefusal::NotTheHost);
}

#[test]
fn a_closed_room_accepts_nothing() {
    let past = given(room_with_and(&[], [closed(1, RoomClosedReason::Host)]));
    past.each_refused(room_commands(&room(1), "ann", 1), &BoxRefusal::RoomClosed);
    past.each_refused([join("ben", PasswordProof::Missing)], &BoxRefusal::RoomClosed);
}

#[test]
fn an_earlier_room_is_closed_for_every_caller() {
    let next = [closed(1, RoomClosedReason::Host), opened(2, "ann", 1)];
    let past = given(room_with_and(&[], next));
    past.each_refused(room_commands(&room(1), "ann", 2), &BoxRefusal::RoomClosed);
    past.each_refused([join("ben", PasswordProof::Missing)], &BoxRefusal::RoomClosed);
}

#[test]
fn a_room_that_was_never_opened_does_not_exist() {
    let commands = |room_id: RoomId| {
        let commands = room_commands(&room_id, "ann", 1);
        let (user_id, password, at) = (user("ben"), PasswordProof::Missing, minute(1));
        commands.into_iter().chain([RoomCommand::JoinRoom { user_id, password, invitation: None, at }.in_room(room_id)])
    };
    given([installed()]).each_refused(commands(room(1)), &BoxRefusal::RoomNotFound);
    given(room_with(&[])).each_refused(commands(room(2)), &BoxRefusal::RoomNotFound);
    let elsewhere = RoomId::new("other".parse().unwrap(), 1);
    given(room_with(&[])).each_refused(commands(elsewhere), &BoxRefusal::RoomNotFound);
}

#[test]
fn a_moderator_closes_any_open_room() {
    let close = |number, at| RoomCommand::CloseByModerator { at: minute(at) }.in_room(room(number));
    let by_moderator = || closed(1, RoomClosedReason::Moderator);
    given(room_with(&["ben"])).when(close(1, 1)).then([by_moderator()]);
    given(room_with_and(&[], [by_moderator()])).when(close(1, 1)).then_refused(&BoxRefusal::RoomClosed);
    given(room_with_and(&[], [by_moderator()])).when(open("ben", 1)).then([opened(2, "ben", 1)]);
    given(room_with(&[])).when(close(1, DEADLINE)).then_refused(&BoxRefusal::RoomClosed);
    given(room_with(&[])).when(close(2, 1)).then_refused(&BoxRefusal::RoomNotFound);
    given([]).when(close(1, 1)).then_refused(&BoxRefusal::BoxNotFound);
}
