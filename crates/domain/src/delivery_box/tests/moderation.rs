//! Co-hosts, muted members, slow mode and pinned messages.

use super::*;
use crate::{
    delivery_box::{MAX_MUTED, MAX_PINS},
    scenario::fold,
};

fn command(command: RoomCommand) -> BoxCommand {
    command.in_room(room(1))
}

fn kick(by: &str, name: &str) -> BoxCommand {
    command(RoomCommand::KickMember { by: user(by), user_id: user(name), at: minute(1) })
}

fn appoint(by: &str, name: &str) -> BoxCommand {
    command(RoomCommand::AppointCoHost { by: user(by), user_id: user(name), at: minute(1) })
}

fn dismiss(by: &str, name: &str) -> BoxCommand {
    command(RoomCommand::DismissCoHost { by: user(by), user_id: user(name), at: minute(1) })
}

fn mute(by: &str, name: &str, minutes: u32) -> BoxCommand {
    let minutes = MuteMinutes::try_from(minutes).unwrap();
    command(RoomCommand::MuteMember { by: user(by), user_id: user(name), minutes, at: minute(1) })
}

fn unmute(by: &str, name: &str) -> BoxCommand {
    command(RoomCommand::UnmuteMember { by: user(by), user_id: user(name), at: minute(2) })
}

fn pin(by: &str, message: u64) -> BoxCommand {
    command(RoomCommand::PinMessage { by: user(by), original: Some(original(message, "cho")), at: minute(1) })
}

fn unpin(by: &str, message: u64) -> BoxCommand {
    command(RoomCommand::UnpinMessage { by: user(by), message_id: MessageId::new(message), at: minute(1) })
}

fn delete(by: &str, author: &str) -> BoxCommand {
    TalkCommand::DeleteMessage { by: user(by), original: Some(original(7, author)), at: minute(1) }.in_room(room(1))
}

/// Ann hosts the room, ben is a co-host, and cho is a member.
fn with_co_host(then: impl IntoIterator<Item = BoxEvent>) -> Given<DeliveryBox> {
    given(room_with_and(&["ben", "cho"], [co_host("ben")].into_iter().chain(then)))
}

#[test]
fn the_host_appoints_and_dismisses_co_hosts() {
    given(room_with(&["ben"])).when(appoint("ann", "ben")).then([co_host("ben")]);
    with_co_host([]).when(appoint("ann", "ben")).then_nothing();
    with_co_host([]).when(appoint("ann", "ann")).then_refused(&BoxRefusal::IsTheHost);
    with_co_host([]).when(appoint("ann", "eve")).then_refused(&BoxRefusal::MemberNotFound);
    let dismissed = RoomEvent::CoHostDismissed { user_id: user("ben") }.in_room(room(1));
    with_co_host([]).when(dismiss("ann", "ben")).then([dismissed.clone()]);
    with_co_host([dismissed]).when(kick("ben", "cho")).then_refused(&BoxRefusal::NotAModerator);
    with_co_host([]).when(dismiss("ann", "cho")).then_nothing();
}

#[test]
fn a_room_has_at_most_five_co_hosts() {
    let names: Vec<String> = (0..6).map(|number| format!("m{number}")).collect();
    let mut past = vec![installed(), opened(1, "ann", 0)];
    past.extend(names.iter().map(|name| joined(name)));
    past.extend(names.iter().take(5).map(|name| co_host(name)));
    given(past).when(appoint("ann", "m5")).then_refused(&BoxRefusal::TooManyCoHosts);
}

#[test]
fn a_co_host_acts_on_members_only() {
    let kicked = RoomEvent::MemberKicked { user_id: user("cho"), by: user("ben") }.in_room(room(1));
    with_co_host([]).when(kick("ben", "cho")).then([kicked]);
    with_co_host([]).when(mute("ben", "cho", 10)).then([muted("cho", 1, 11)]);
    let deleted = TalkEvent::MessageDeleted { message_id: MessageId::new(7), by: user("ben") }.in_room(room(1));
    with_co_host([]).when(delete("ben", "cho")).then([deleted]);
    with_co_host([]).when(delete("ben", "ann")).then_refused(&BoxRefusal::NotTheAuthor);
    with_co_host([]).when(kick("ben", "ben")).then_refused(&BoxRefusal::CannotKickYourself);
    for command in [kick("ben", "ann"), mute("ben", "ann", 1), unmute("ben", "ann"), unmute("ben", "ben")] {
        with_co_host([]).when(command).then_refused(&BoxRefusal::NotAModerator);
    }
    let with_another = || with_co_host([co_host("cho")]);
    for command in [kick("ben", "cho"), mute("ben", "cho", 1), unmute("ben", "cho")] {
        with_another().when(command).then_refused(&BoxRefusal::NotAModerator);
    }
    with_another().when(mute("ann", "cho", 10)).then([muted("cho", 1, 11)]);
}

#[test]
fn a_co_host_extends_the_room() {
    let hours = ExtensionHours::try_from(1).unwrap();
    let extend = command(RoomCommand::ExtendRoom { by: user("ben"), hours, at: minute(1) });
    with_co_host([]).when(extend).then([extended(1, 1, DEADLINE + 60)]);
}

#[test]
fn a_co_host_becomes_the_host_when_the_host_leaves() {
    let leave = command(RoomCommand::LeaveRoom { user_id: user("ann"), at: minute(1) });
    let past = given(room_with_and(&["ben", "cho"], [co_host("cho")]));
    past.when(leave).then([left("ann"), host_changed("ann", "cho", HostChange::Succession)]);
}

#[test]
fn a_role_ends_with_the_membership_and_with_that_of_the_host() {
    let co_hosts = |then: Vec<BoxEvent>| {
        let state = fold(DeliveryBox::default(), room_with_and(&["ben", "cho"], [vec![co_host("ben")], then].concat()));
        state.room().unwrap().co_hosts().len()
    };
    assert_eq!(co_hosts(vec![]), 1);
    assert_eq!(co_hosts(vec![left("ben"), joined("ben")]), 0);
    assert_eq!(co_hosts(vec![kicked("ben")]), 0);
    assert_eq!(co_hosts(vec![host_changed("ann", "ben", HostChange::Transferred)]), 0);
}

#[test]
fn a_muted_member_cannot_speak_until_the_time_has_passed() {
    let past = || given(room_with_and(&["ben"], [muted("ben", 0, 10)]));
    let talk = |at: i64| {
        let at = minute(at);
        let (author, original, emoji) = (user("ben"), Some(original(7, "ben")), || text("👍"));
        [
            TalkCommand::PostMessage { author: author.clone(), body: text("hi"), reply_to: None, at },
            TalkCommand::EditMessage { by: author.clone(), original: original.clone(), body: text("hi"), at },
            TalkCommand::AddReaction { user_id: author, original, emoji: emoji(), at },
        ]
        .map(|command| command.in_room(room(1)))
    };
    past().each_refused(talk(4), &BoxRefusal::Muted { until: minute(10), seconds: 360 });
    let state = fold(DeliveryBox::default(), room_with_and(&["ben"], [muted("ben", 0, 10)]));
    for command in talk(10) {
        assert_eq!(state.decide(command).map(|events| events.len()), Ok(1));
    }
    let by_muted = TalkCommand::DeleteMessage { by: user("ben"), original: Some(original(7, "ben")), at: minute(4) };
    let deleted = TalkEvent::MessageDeleted { message_id: MessageId::new(7), by: user("ben") }.in_room(room(1));
    past().when(by_muted.in_room(room(1))).then([deleted]);
    let leave = command(RoomCommand::LeaveRoom { user_id: user("ben"), at: minute(4) });
    past().when(leave).then([left("ben")]);
}

#[test]
fn the_refusal_of_a_muted_member_names_the_end() {
    let refusal = BoxRefusal::Muted { until: minute(10), seconds: 360 };
    assert_eq!(refusal.to_string(), "you are muted until 2030-03-17T17:56:40Z");
}

#[test]
fn a_member_is_muted_again_and_unmuted() {
    let past = || given(room_with_and(&["ben"], [muted("ben", 0, 11)]));
    past().when(mute("ann", "ben", 10)).then_nothing();
    past().when(mute("ann", "ben", 20)).then([muted("ben", 1, 21)]);
    past().when(unmute("ann", "ben")).then([unmuted("ben")]);
    given(room_with(&["ben"])).when(unmute("ann", "ben")).then_nothing();
    given(room_with_and(&["ben"], [muted("ben", 0, 2)])).when(unmute("ann", "ben")).then_nothing();
    given(room_with(&["ben"])).when(mute("ann", "ann", 10)).then_refused(&BoxRefusal::IsTheHost);
    given(room_with(&["ben"])).when(mute("ann", "eve", 10)).then_refused(&BoxRefusal::MemberNotFound);
}

#[test]
fn leaving_and_joining_does_not_end_a_muting_but_the_role_of_the_host_does() {
    let post = || TalkCommand::PostMessage { author: user("ben"), body: text("hi"), reply_to: None, at: minute(4) };
    let back = given(room_with_and(&["ben"], [muted("ben", 0, 10), left("ben"), joined("ben")]));
    back.when(post().in_room(room(1))).then_refused(&BoxRefusal::Muted { until: minute(10), seconds: 360 });
    let lifted = RoomEvent::KickLifted { user_id: user("ben") }.in_room(room(1));
    let back = given(room_with_and(&["ben"], [muted("ben", 0, 10), kicked("ben"), lifted, joined("ben")]));
    back.when(post().in_room(room(1))).then_refused(&BoxRefusal::Muted { until: minute(10), seconds: 360 });
    let transferred = host_changed("ann", "ben", HostChange::Transferred);
    let host = given(room_with_and(&["ben"], [muted("ben", 0, 10), transferred]));
    host.when(post().in_room(room(1))).then([posted("ben", "hi", None)]);
}

#[test]
fn a_room_remembers_a_bounded_number_of_muted_users() {
    let crowd = (0..MAX_MUTED).flat_map(|number| {
        let name = format!("m{number}");
        [joined(&name), muted(&name, 0, 10), left(&name)]
    });
    let past: Vec<BoxEvent> = room_with_and(&["ben"], crowd);
    given(past.clone()).when(mute("ann", "ben", 10)).then_refused(&BoxRefusal::TooManyMutes);
    let later = MuteMinutes::try_from(10).unwrap();
    let later = RoomCommand::MuteMember { by: user("ann"), user_id: user("ben"), minutes: later, at: minute(11) };
    given(past).when(command(later)).then([muted("ben", 11, 21)]);
}

#[test]
fn the_host_sets_the_slow_mode_of_members() {
    let set = |seconds| {
        let seconds = SlowModeSeconds::try_from(seconds).unwrap();
        command(RoomCommand::SetSlowMode { by: user("ann"), seconds, at: minute(1) })
    };
    given(room_with(&[])).when(set(30)).then([slow_mode_set(30)]);
    given(room_with(&[])).when(set(0)).then_nothing();
    given(room_with_and(&[], [slow_mode_set(30)])).when(set(0)).then([slow_mode_set(0)]);
    let interval = |name: &str, past: Vec<BoxEvent>| {
        let state = fold(DeliveryBox::default(), room_with_and(&["ben", "cho"], past));
        state.room().unwrap().slow_mode_of(&user(name))
    };
    let past = || vec![co_host("ben"), slow_mode_set(30)];
    assert_eq!(interval("cho", past()), Some(TimeDelta::seconds(30)));
    assert_eq!((interval("ann", past()), interval("ben", past())), (None, None));
    assert_eq!(interval("cho", vec![]), None);
}

#[test]
fn a_moderator_pins_messages_and_the_oldest_pin_makes_room() {
    with_co_host([]).when(pin("ben", 7)).then([pinned(7, None)]);
    with_co_host([pinned(7, None)]).when(pin("ann", 7)).then_nothing();
    let full = || (0..u64::try_from(MAX_PINS).unwrap()).map(|number| pinned(number + 1, None));
    with_co_host(full()).when(pin("ann", 9)).then([pinned(9, Some(1))]);
    with_co_host(full().chain([pinned(9, Some(1))])).when(pin("ann", 10)).then([pinned(10, Some(2))]);
    with_co_host([]).when(unpin("ann", 7)).then_nothing();
    with_co_host([pinned(7, None)]).when(unpin("ben", 7)).then([unpinned(7)]);
}

#[test]
fn only_messages_of_the_room_are_pinned() {
    let with = |original: Option<OriginalMessage>| {
        with_co_host([]).when(command(RoomCommand::PinMessage { by: user("ann"), original, at: minute(1) }))
    };
    with(None).then_refused(&BoxRefusal::MessageNotFound);
    with(Some(OriginalMessage { room_id: room(2), ..original(7, "cho") })).then_refused(&BoxRefusal::MessageNotFound);
    let deleted = MessageState { deleted: true, ..MessageState::default() };
    with(Some(OriginalMessage { state: deleted, ..original(7, "cho") })).then_refused(&BoxRefusal::MessageDeleted);
}

#[test]
fn a_deleted_message_is_unpinned_unless_the_room_is_closed() {
    let unpin = |at| command(RoomCommand::UnpinDeleted { message_id: MessageId::new(7), at: minute(at) });
    with_co_host([pinned(7, None)]).when(unpin(1)).then([unpinned(7)]);
    with_co_host([]).when(unpin(1)).then_nothing();
    with_co_host([pinned(7, None)]).when(unpin(DEADLINE)).then_nothing();
    with_co_host([pinned(7, None), closed(1, RoomClosedReason::Host)]).when(unpin(1)).then_nothing();
}
