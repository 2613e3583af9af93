//! Deadlines: a room past its `closes_at` accepts nothing and is closed as expired. Its host may extend it.

use super::*;
use crate::{delivery_box::Room, scenario::fold};

fn expire(number: u32, closes_at: i64) -> BoxCommand {
    RoomCommand::ExpireRoom { closes_at: minute(closes_at) }.in_room(room(number))
}

fn extend(hours: u32, at: i64) -> BoxCommand {
    let hours = ExtensionHours::try_from(hours).unwrap();
    RoomCommand::ExtendRoom { by: user("ann"), hours, at: minute(at) }.in_room(room(1))
}

#[test]
fn the_deadline_closes_the_room() {
    given(room_with(&["ben"])).when(expire(1, DEADLINE)).then([closed(1, RoomClosedReason::Expired)]);
}

#[test]
fn a_replaced_deadline_changes_nothing() {
    let past = || room_with_and(&[], [extended(1, 1, DEADLINE + 60)]);
    given(past()).when(expire(1, DEADLINE)).then_nothing();
    given(past()).when(expire(1, DEADLINE + 60)).then([closed(1, RoomClosedReason::Expired)]);
}

#[test]
fn a_deadline_of_an_extension_that_did_not_happen_changes_nothing() {
    given(room_with(&[])).when(expire(1, DEADLINE + 60)).then_nothing();
}

#[test]
fn a_room_expires_once() {
    for reason in [RoomClosedReason::Expired, RoomClosedReason::Host] {
        given(room_with_and(&[], [closed(1, reason)])).when(expire(1, DEADLINE)).then_nothing();
    }
}

fn warn(number: u32, closes_at: i64, at: i64) -> BoxCommand {
    RoomCommand::WarnOfClosing { closes_at: minute(closes_at), at: minute(at) }.in_room(room(number))
}

#[test]
fn members_are_warned_once_ten_minutes_before_the_end() {
    let due = DEADLINE - 10;
    let deadline = |past: Vec<BoxEvent>| fold(DeliveryBox::default(), past).room().unwrap().next_deadline();
    assert_eq!(deadline(room_with(&[])), minute(due));
    given(room_with(&[])).when(warn(1, DEADLINE, due)).then([closing_soon(DEADLINE)]);
    given(room_with(&[])).when(warn(1, DEADLINE, DEADLINE - 1)).then([closing_soon(DEADLINE)]);
    let warned = || room_with_and(&[], [closing_soon(DEADLINE)]);
    assert_eq!(deadline(warned()), minute(DEADLINE));
    given(warned()).when(warn(1, DEADLINE, due)).then_nothing();
    given(warned()).when(expire(1, DEADLINE)).then([closed(1, RoomClosedReason::Expired)]);
}

#[test]
fn members_are_warned_again_after_an_extension() {
    let end = DEADLINE + 60;
    for warnings in [vec![], vec![closing_soon(DEADLINE)]] {
        let past = || room_with_and(&[], warnings.clone().into_iter().chain([extended(1, 1, end)]));
        assert_eq!(fold(DeliveryBox::default(), past()).room().unwrap().next_deadline(), minute(end - 10));
        given(past()).when(warn(1, DEADLINE, DEADLINE - 10)).then_nothing();
        given(past()).when(warn(1, end, end - 10)).then([closing_soon(end)]);
    }
}

#[test]
fn a_warning_that_comes_too_late_is_left_out() {
    given(room_with(&[])).when(warn(1, DEADLINE, DEADLINE)).then_nothing();
    given(room_with(&[])).when(warn(2, DEADLINE, DEADLINE - 10)).then_nothing();
    given([installed()]).when(warn(1, DEADLINE, DEADLINE - 10)).then_nothing();
    let past = room_with_and(&[], [closed(1, RoomClosedReason::Host)]);
    assert_eq!(fold(DeliveryBox::default(), past.clone()).room().unwrap().next_deadline(), minute(DEADLINE));
    given(past).when(warn(1, DEADLINE, DEADLINE - 10)).then_nothing();
    let next = [closed(1, RoomClosedReason::Host), opened(2, "ben", 0)];
    given(room_with_and(&[], next)).when(warn(1, DEADLINE, DEADLINE - 10)).then_nothing();
}

#[test]
fn rooms_of_less_than_twelve_minutes_need_no_warning() {
    let lasting = |minutes: i64| {
        let mut event = opened(1, "ann", 0);
        if let BoxEvent::Room { event: RoomEvent::RoomOpened { closes_at, .. }, .. } = &mut event {
            *closes_at = minute(minutes);
        }
        vec![installed(), event]
    };
    for (minutes, deadline) in [(1, 1), (10, 10), (11, 11), (12, 2)] {
        let state = fold(DeliveryBox::default(), lasting(minutes));
        assert_eq!(state.room().unwrap().next_deadline(), minute(deadline));
        assert_eq!(Room::first_deadline(minute(0), minute(minutes)), minute(deadline));
    }
    given(lasting(10)).when(warn(1, 10, 0)).then_nothing();
    let extended = lasting(10).into_iter().chain([extended(1, 1, 70)]);
    given(extended).when(warn(1, 70, 60)).then([closing_soon(70)]);
}

#[test]
fn a_deadline_closes_only_its_own_room() {
    given([installed()]).when(expire(1, DEADLINE)).then_nothing();
    given(room_with(&[])).when(expire(2, DEADLINE)).then_nothing();
    let next = [closed(1, RoomClosedReason::Host), opened(2, "ben", 0)];
    given(room_with_and(&[], next)).when(expire(1, DEADLINE)).then_nothing();
}

#[test]
fn a_room_past_its_deadline_accepts_nothing() {
    let past = given(room_with(&["ben"]));
    for at in [DEADLINE, DEADLINE + 1] {
        past.each_refused(room_commands(&room(1), "ann", at), &BoxRefusal::RoomClosed);
        let (room_id, at) = (room(1), minute(at));
        let join =
            RoomCommand::JoinRoom { user_id: user("cho"), password: PasswordProof::Missing, invitation: None, at }
                .in_room(room_id);
        past.each_refused([join], &BoxRefusal::RoomClosed);
    }
}

#[test]
fn a_room_accepts_messages_to_its_last_minute() {
    given(room_with(&[]))
        .when(
            TalkCommand::PostMessage {
                author: user("ann"),
                body: text("bye"),
                reply_to: None,
                at: minute(DEADLINE - 1),
            }
            .in_room(room(1)),
        )
        .then([posted("ann", "bye", None)]);
}

#[test]
fn opening_a_room_closes_an_overdue_room_in_the_same_commit() {
    let at = DEADLINE + 5;
    given(room_with(&[]))
        .when(open("ben", DEADLINE))
        .then([closed(1, RoomClosedReason::Expired), opened(2, "ben", 180)]);
    given(room_with(&[])).when(open("ann", at)).then([closed(1, RoomClosedReason::Expired), opened(2, "ann", at)]);
}

#[test]
fn the_host_extends_a_room_by_one_to_three_hours() {
    for hours in 1..=3 {
        let closes_at = DEADLINE + 60 * i64::from(hours);
        given(room_with(&[])).when(extend(hours, 1)).then([extended(1, hours, closes_at)]);
        assert_eq!(Room::extended(minute(DEADLINE), ExtensionHours::try_from(hours).unwrap()), minute(closes_at));
    }
}

#[test]
fn a_room_is_extended_at_most_three_times() {
    let twice = [extended(1, 1, DEADLINE + 60), extended(2, 3, DEADLINE + 240)];
    let third = extended(3, 2, DEADLINE + 360);
    given(room_with_and(&[], twice.clone())).when(extend(2, DEADLINE + 200)).then([third.clone()]);
    let thrice = room_with_and(&[], twice.into_iter().chain([third]));
    given(thrice).when(extend(1, DEADLINE + 300)).then_refused(&BoxRefusal::TooManyExtensions);
}

#[test]
fn an_extended_room_stays_open_past_its_first_deadline() {
    let past = room_with_and(&[], [extended(1, 1, DEADLINE + 60)]);
    given(past.clone()).when(open("ben", DEADLINE)).then_refused(&BoxRefusal::BoxInUse);
    given(past).when(extend(1, DEADLINE + 59)).then([extended(2, 1, DEADLINE + 120)]);
}

#[test]
fn the_next_room_can_be_extended_three_times_again() {
    let extensions = (1..=3).map(|n| extended(n, 1, DEADLINE + 60 * i64::from(n)));
    let next = [closed(1, RoomClosedReason::Host), opened(2, "ann", 10)];
    let past = room_with_and(&[], extensions.chain(next));
    let hours = ExtensionHours::try_from(1).unwrap();
    given(past).when(RoomCommand::ExtendRoom { by: user("ann"), hours, at: minute(20) }.in_room(room(2))).then([
        RoomEvent::RoomExtended { extension: 1, hours: 1, closes_at: minute(10 + DEADLINE + 60) }.in_room(room(2)),
    ]);
}
