//! Tests of the rules about a user.

use proptest::{collection::vec, prelude::*};
use serde_json::json;

use super::*;
use crate::{
    scenario::{Given, fold, handle, types_known_to_serde},
    values::{InvalidValue, TimeOfDay, TimeZone},
};

fn given(past: impl IntoIterator<Item = UserEvent>) -> Given<User> {
    Given::past(past)
}

fn text<T: TryFrom<String, Error = InvalidValue>>(text: &str) -> T {
    T::try_from(text.to_owned()).unwrap()
}

fn register(user_id: &str) -> UserCommand {
    UserCommand::RegisterUser { user_id: user_id.parse().unwrap(), nickname: text("Ann") }
}

fn registered() -> UserEvent {
    UserEvent::UserRegistered { user_id: "ann".parse().unwrap(), nickname: "Ann".into() }
}

fn change_nickname(nickname: &str) -> UserCommand {
    UserCommand::ChangeNickname { nickname: text(nickname) }
}

fn nickname_changed() -> UserEvent {
    UserEvent::NicknameChanged { nickname: "Anna".into() }
}

fn device(number: usize) -> DeviceId {
    format!("phone-{number}").parse().unwrap()
}

fn register_device(number: usize, token: &str) -> UserCommand {
    let target = PushTarget::Fcm(text(token));
    UserCommand::RegisterDevice { device_id: device(number), target, locale: Locale::default() }
}

fn device_registered_as(number: usize, provider: PushProvider, target: &str, locale: &str) -> UserEvent {
    let (target, locale) = (target.into(), locale.into());
    UserEvent::DeviceRegistered { device_id: device(number), provider, target, locale }
}

fn device_registered(number: usize) -> UserEvent {
    device_registered_as(number, PushProvider::Fcm, "token", "en")
}

fn remove_device(number: usize) -> UserCommand {
    UserCommand::RemoveDevice { device_id: device(number), target: None }
}

fn remove_device_with(number: usize, target: &str) -> UserCommand {
    UserCommand::RemoveDevice { device_id: device(number), target: Some(TargetHash::of(target)) }
}

fn set_quiet_hours(from: &str, to: &str) -> UserCommand {
    let (from, to): (TimeOfDay, TimeOfDay) = (text(from), text(to));
    let time_zone: TimeZone = text("Asia/Seoul");
    UserCommand::SetQuietHours { quiet_hours: QuietHours::new(time_zone, from, to).unwrap() }
}

fn quiet_hours_set(from: &str, to: &str) -> UserEvent {
    UserEvent::QuietHoursSet { time_zone: "Asia/Seoul".into(), from: from.into(), to: to.into() }
}

fn wishes() -> NotificationPreferences {
    [(AlarmKind::Reply, true), (AlarmKind::RoomClosed, false)].into()
}

fn room(number: usize) -> RoomId {
    format!("box.{number}").parse().unwrap()
}

fn muted(number: usize) -> UserEvent {
    UserEvent::RoomMuted { room_id: room(number) }
}

fn unmuted(number: usize) -> UserEvent {
    UserEvent::RoomUnmuted { room_id: room(number) }
}

fn mute(number: usize) -> UserCommand {
    UserCommand::MuteRoom { room_id: room(number) }
}

fn unmute(number: usize) -> UserCommand {
    UserCommand::UnmuteRoom { room_id: room(number) }
}

fn other(number: usize) -> UserId {
    format!("user-{number}").parse().unwrap()
}

fn block(number: usize) -> UserCommand {
    UserCommand::BlockUser { user_id: other(number) }
}

fn unblock(number: usize) -> UserCommand {
    UserCommand::UnblockUser { user_id: other(number) }
}

fn blocked(number: usize) -> UserEvent {
    UserEvent::UserBlocked { user_id: other(number) }
}

fn unblocked(number: usize) -> UserEvent {
    UserEvent::UserUnblocked { user_id: other(number) }
}

fn read_alarms(up_to: &str) -> UserCommand {
    UserCommand::ReadAlarms { up_to: up_to.parse().unwrap() }
}

fn alarms_read<const N: usize>(up_to: [(&str, u64); N]) -> UserEvent {
    UserEvent::AlarmsRead { up_to: up_to.map(|(stream, sequence)| (stream.to_owned(), sequence)).into() }
}

fn all_but_register() -> [UserCommand; 13] {
    let preferences = wishes();
    [
        change_nickname("Anna"),
        register_device(1, "token"),
        remove_device(1),
        UserCommand::SetNotificationPreferences { preferences },
        set_quiet_hours("22:00", "07:00"),
        UserCommand::RemoveQuietHours,
        UserCommand::ShareReadMarkers { shared: false },
        mute(1),
        unmute(1),
        block(1),
        unblock(1),
        read_alarms("box-0.i.1"),
        UserCommand::EraseUser,
    ]
}

#[test]
fn a_free_id_can_be_registered() {
    given([]).when(register("ann")).then([registered()]);
}

#[test]
fn a_user_id_is_used_once_even_after_an_erasure() {
    given([registered()]).when(register("ann")).then_refused(&UserRefusal::UserExists);
    given([registered(), UserEvent::UserErased {}]).when(register("ann")).then_refused(&UserRefusal::UserExists);
}

#[test]
fn a_reserved_id_cannot_be_registered() {
    given([]).each_refused(
        [register("system"), register("me"), register("all"), register("report_key-1")],
        &UserRefusal::UserExists,
    );
}

#[test]
fn commands_of_unregistered_users_are_refused() {
    let [commands @ .., UserCommand::EraseUser] = all_but_register() else { panic!() };
    given([]).each_refused(commands, &UserRefusal::UserNotFound);
}

#[test]
fn commands_of_erased_users_are_refused() {
    let past = given([registered(), device_registered(1), UserEvent::UserErased {}]);
    past.each_refused(all_but_register(), &UserRefusal::UserNotFound);
}

#[test]
fn users_change_their_nickname() {
    given([registered()]).when(change_nickname("Anna")).then([nickname_changed()]);
    given([registered(), nickname_changed()])
        .when(change_nickname("Ann"))
        .then([UserEvent::NicknameChanged { nickname: "Ann".into() }]);
}

#[test]
fn setting_the_current_nickname_changes_nothing() {
    given([registered()]).when(change_nickname("Ann")).then_nothing();
    given([registered(), nickname_changed()]).when(change_nickname("Anna")).then_nothing();
}

#[test]
fn a_nickname_belongs_to_a_user_from_registration_to_erasure() {
    let nickname = |past: &[UserEvent]| fold(User::default(), past.to_vec()).nickname().map(str::to_owned);
    assert_eq!(nickname(&[]), None);
    assert_eq!(nickname(&[registered()]).as_deref(), Some("Ann"));
    assert_eq!(nickname(&[registered(), nickname_changed()]).as_deref(), Some("Anna"));
    assert_eq!(nickname(&[registered(), UserEvent::UserErased {}]), None);
}

#[test]
fn users_register_devices_and_change_their_push_addresses() {
    given([registered()]).when(register_device(1, "token")).then([device_registered(1)]);
    given([registered(), device_registered(1)]).when(register_device(1, "other")).then([device_registered_as(
        1,
        PushProvider::Fcm,
        "other",
        "en",
    )]);
    let target = PushTarget::Apns(text("00ff"));
    given([registered(), device_registered(1)])
        .when(UserCommand::RegisterDevice { device_id: device(1), target, locale: text("ko") })
        .then([device_registered_as(1, PushProvider::Apns, "00ff", "ko")]);
}

#[test]
fn users_have_at_most_ten_devices() {
    let past = |devices| [registered()].into_iter().chain((1..=devices).map(device_registered));
    given(past(9)).when(register_device(10, "token")).then([device_registered(10)]);
    given(past(10)).when(register_device(11, "token")).then_refused(&UserRefusal::TooManyDevices);
    given(past(10)).when(register_device(10, "token")).then([device_registered(10)]);
    let removed = UserEvent::DeviceRemoved { device_id: device(3) };
    given(past(10).chain([removed])).when(register_device(11, "token")).then([device_registered(11)]);
}

#[test]
fn users_remove_their_devices() {
    let removed = || UserEvent::DeviceRemoved { device_id: device(1) };
    given([registered(), device_registered(1)]).when(remove_device(1)).then([removed()]);
    given([registered(), device_registered(1)]).when(remove_device(2)).then_refused(&UserRefusal::DeviceNotFound);
    given([registered(), device_registered(1), removed()])
        .when(remove_device(1))
        .then_refused(&UserRefusal::DeviceNotFound);
}

#[test]
fn users_set_their_notification_preferences() {
    let preferences = wishes();
    given([registered()])
        .when(UserCommand::SetNotificationPreferences { preferences })
        .then([UserEvent::NotificationPreferencesSet { preferences: wishes() }]);
}

#[test]
fn users_set_and_remove_their_quiet_hours() {
    let set = || quiet_hours_set("22:00", "07:00");
    given([registered()]).when(set_quiet_hours("22:00", "07:00")).then([set()]);
    given([registered(), set()]).when(set_quiet_hours("12:30", "13:00")).then([quiet_hours_set("12:30", "13:00")]);
    given([registered(), set()]).when(UserCommand::RemoveQuietHours).then([UserEvent::QuietHoursRemoved {}]);
    given([registered()]).when(UserCommand::RemoveQuietHours).then_nothing();
    let removed = given([registered(), set(), UserEvent::QuietHoursRemoved {}]);
    removed.when(UserCommand::RemoveQuietHours).then_nothing();
}

#[test]
fn users_hide_and_show_their_read_markers() {
    let set = |shared| UserEvent::ReadMarkerSharingSet { shared };
    given([registered()]).when(UserCommand::ShareReadMarkers { shared: true }).then_nothing();
    given([registered()]).when(UserCommand::ShareReadMarkers { shared: false }).then([set(false)]);
    let hidden = || given([registered(), set(false)]);
    hidden().when(UserCommand::ShareReadMarkers { shared: false }).then_nothing();
    hidden().when(UserCommand::ShareReadMarkers { shared: true }).then([set(true)]);
}

#[test]
fn users_mute_and_unmute_rooms() {
    given([registered()]).when(mute(1)).then([muted(1)]);
    given([registered(), muted(1)]).when(mute(1)).then_nothing();
    given([registered(), muted(1)]).when(unmute(1)).then([unmuted(1)]);
    given([registered(), muted(1), unmuted(1)]).when(unmute(1)).then_nothing();
}

#[test]
fn the_oldest_of_two_hundred_muted_rooms_is_unmuted_for_another_one() {
    let past = || [registered()].into_iter().chain((1..=MAX_MUTED_ROOMS).map(muted));
    given(past()).when(mute(201)).then([unmuted(1), muted(201)]);
    given(past()).when(mute(7)).then_nothing();
    given(past().chain([unmuted(7)])).when(mute(201)).then([muted(201)]);
}

#[test]
fn users_block_and_unblock_others() {
    given([registered()]).when(block(1)).then([blocked(1)]);
    given([registered(), blocked(1)]).when(block(1)).then_nothing();
    given([registered(), blocked(1)]).when(unblock(1)).then([unblocked(1)]);
    given([registered(), blocked(1), unblocked(1)]).when(unblock(1)).then_nothing();
}

#[test]
fn users_block_at_most_five_hundred_others() {
    let past = || [registered()].into_iter().chain((1..=MAX_BLOCKED_USERS).map(blocked));
    given(past()).when(block(501)).then_refused(&UserRefusal::TooManyBlockedUsers);
    given(past()).when(block(7)).then_nothing();
    given(past().chain([unblocked(7)])).when(block(501)).then([blocked(501)]);
}

#[test]
fn users_read_their_alarms_forward_in_each_stream() {
    given([registered()]).when(read_alarms("box-0.i.0")).then_nothing();
    given([registered()]).when(read_alarms("box-0.i.4_box-1.i.7")).then([alarms_read([("box-0", 4), ("box-1", 7)])]);
    let past = || given([registered(), alarms_read([("box-0", 4), ("box-1", 7)])]);
    past().when(read_alarms("box-0.i.4_box-1.i.6")).then_nothing();
    past().when(read_alarms("box-0.i.5_box-1.i.6")).then([alarms_read([("box-0", 5)])]);
}

#[test]
fn alarms_are_read_in_a_bounded_number_of_streams() {
    let streams: Vec<String> = (0..MAX_STREAMS).map(|number| format!("box-{number}.i.1")).collect();
    let all = handle(&mut fold(User::default(), [registered()]), read_alarms(&streams.join("_"))).unwrap();
    let past = || given([registered()].into_iter().chain(all.clone()));
    past().when(read_alarms("another.i.1")).then_nothing();
    past().when(read_alarms("another.i.1_box-7.i.2")).then([alarms_read([("box-7", 2)])]);
}

#[test]
fn users_are_erased() {
    given([registered()]).when(UserCommand::EraseUser).then([UserEvent::UserErased {}]);
}

#[test]
fn a_user_who_was_never_registered_can_be_erased_once_and_not_be_registered_later() {
    given([]).when(UserCommand::EraseUser).then([UserEvent::UserErased {}]);
    let erased = given([UserEvent::UserErased {}]);
    erased.each_refused(all_but_register(), &UserRefusal::UserNotFound);
    given([UserEvent::UserErased {}]).when(register("ann")).then_refused(&UserRefusal::UserExists);
}

#[test]
fn every_event_is_listed_and_keeps_its_stored_form() {
    let examples = [
        (registered(), json!({"user_id": "ann", "nickname": "Ann"})),
        (nickname_changed(), json!({"nickname": "Anna"})),
        (device_registered(1), json!({"device_id": "phone-1", "provider": "fcm", "target": "token", "locale": "en"})),
        (UserEvent::DeviceRemoved { device_id: device(1) }, json!({"device_id": "phone-1"})),
        (
            UserEvent::NotificationPreferencesSet { preferences: wishes() },
            json!({"preferences": {"reply": true, "room_closed": false}}),
        ),
        (quiet_hours_set("22:00", "07:00"), json!({"time_zone": "Asia/Seoul", "from": "22:00", "to": "07:00"})),
        (UserEvent::QuietHoursRemoved {}, json!({})),
        (UserEvent::ReadMarkerSharingSet { shared: false }, json!({"shared": false})),
        (muted(7), json!({"room_id": "box.7"})),
        (unmuted(7), json!({"room_id": "box.7"})),
        (blocked(7), json!({"user_id": "user-7"})),
        (unblocked(7), json!({"user_id": "user-7"})),
        (alarms_read([("box-0", 4), ("box-1", 7)]), json!({"up_to": {"box-0": 4, "box-1": 7}})),
        (suspended(Some(60)), json!({"until": "1970-01-01T01:00:00Z"})),
        (UserEvent::UserReinstated {}, json!({})),
        (UserEvent::PasswordResetIssued { expires_at: minute(60) }, json!({"expires_at": "1970-01-01T01:00:00Z"})),
        (UserEvent::UserErased {}, json!({})),
    ];
    assert_eq!(types_known_to_serde::<UserEvent>(), UserEvent::TYPES);
    assert_eq!(examples.each_ref().map(|(event, _)| event.name()), UserEvent::TYPES);
    for (event, data) in examples {
        let stored = json!({"type": event.name(), "data": data});
        assert_eq!(serde_json::to_value(&event).unwrap(), stored);
        assert_eq!(serde_json::from_value::<UserEvent>(stored).unwrap(), event);
    }
}

#[test]
fn every_kind_of_alarm_is_stored_under_its_name() {
    let known: Vec<&str> = AlarmKind::ALL.into_iter().map(AlarmKind::as_str).collect();
    assert_eq!(types_known_to_serde::<AlarmKind>(), known);
    for kind in AlarmKind::ALL {
        assert_eq!(json!(kind), json!(kind.as_str()));
    }
}

/// The first half of the SHA-256 of `token`.
const TOKEN_HASH: &str = "3c469e9d6c5875d37a43f353d4f88e61";

#[test]
fn a_device_that_was_registered_again_since_is_not_removed() {
    let past = || vec![registered(), device_registered_as(1, PushProvider::Fcm, "old", "en"), device_registered(1)];
    given(past()).when(remove_device_with(1, "old")).then_nothing();
    given(past()).when(remove_device_with(1, "token")).then([UserEvent::DeviceRemoved { device_id: device(1) }]);
    given(past()).when(remove_device_with(2, "token")).then_refused(&UserRefusal::DeviceNotFound);
    // The state of an earlier release has no addresses.
    let mut stored = serde_json::to_value(fold(User::default(), past())).unwrap();
    stored.as_object_mut().unwrap().remove("targets");
    let state: User = serde_json::from_value(stored).unwrap();
    let decided = state.decide(remove_device_with(1, "old"));
    assert_eq!(decided, Ok(vec![UserEvent::DeviceRemoved { device_id: device(1) }]));
}

#[test]
fn the_state_of_a_user_keeps_its_stored_form() {
    let past = [registered(), device_registered(2), device_registered(1), muted(2), muted(1), blocked(2), blocked(1)];
    let state = fold(User::default(), past);
    let stored = json!({
        "registered": true, "erased": false, "nickname": "Ann", "devices": ["phone-1", "phone-2"],
        "targets": { "phone-1": TOKEN_HASH, "phone-2": TOKEN_HASH },
        "has_quiet_hours": false, "hides_read_markers": false, "muted_rooms": ["box.2", "box.1"],
        "blocked_users": ["user-1", "user-2"], "alarms_read": {},
    });
    assert_eq!(serde_json::to_value(&state).unwrap(), stored);
}

fn minute(number: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(60 * number, 0).unwrap()
}

fn suspend(until: Option<i64>, is_moderator: bool, at: i64) -> UserCommand {
    UserCommand::SuspendUser { until: until.map(minute), is_moderator, at: minute(at) }
}

fn suspended(until: Option<i64>) -> UserEvent {
    UserEvent::UserSuspended { until: until.map(minute) }
}

#[test]
fn a_user_is_suspended_until_a_time_or_until_reinstated() {
    let state = |past: &[UserEvent]| fold(User::default(), [&[registered()], past].concat());
    given([registered()]).when(suspend(None, false, 0)).then([suspended(None)]);
    given([registered()]).when(suspend(Some(9), false, 0)).then([suspended(Some(9))]);
    assert!(!state(&[]).is_suspended(minute(0)));
    assert!(state(&[suspended(None)]).is_suspended(minute(1_000_000)));
    let until = state(&[suspended(Some(9))]);
    assert!(until.is_suspended(minute(8)) && !until.is_suspended(minute(9)));
    let reinstated = state(&[suspended(None), UserEvent::UserReinstated {}]);
    assert!(!reinstated.is_suspended(minute(0)) && reinstated.nickname().is_some());
}

#[test]
fn a_suspension_that_holds_already_changes_nothing() {
    given([registered(), suspended(None)]).when(suspend(None, false, 1)).then_nothing();
    given([registered(), suspended(Some(9))]).when(suspend(Some(9), false, 1)).then_nothing();
    given([registered(), suspended(Some(9))]).when(suspend(None, false, 1)).then([suspended(None)]);
    given([registered(), suspended(Some(9))]).when(suspend(Some(20), false, 10)).then([suspended(Some(20))]);
    given([registered(), suspended(None)]).when(UserCommand::ReinstateUser).then([UserEvent::UserReinstated {}]);
    given([registered()]).when(UserCommand::ReinstateUser).then_nothing();
}

#[test]
fn only_users_and_the_accounts_of_moderators_are_suspended() {
    given([]).when(suspend(None, false, 0)).then_refused(&UserRefusal::UserNotFound);
    given([]).when(UserCommand::ReinstateUser).then_refused(&UserRefusal::UserNotFound);
    given([]).when(suspend(None, true, 0)).then([suspended(None)]);
    given([suspended(None)]).when(UserCommand::ReinstateUser).then([UserEvent::UserReinstated {}]);
    let erased = || given([registered(), suspended(None), UserEvent::UserErased {}]);
    erased().when(suspend(None, false, 0)).then_refused(&UserRefusal::UserNotFound);
    erased().when(UserCommand::ReinstateUser).then_refused(&UserRefusal::UserNotFound);
    // A moderator may have the id of an erased user.
    given([registered(), UserEvent::UserErased {}]).when(suspend(None, true, 0)).then([suspended(None)]);
    given([UserEvent::UserErased {}, suspended(None)])
        .when(UserCommand::ReinstateUser)
        .then([UserEvent::UserReinstated {}]);
    assert!(fold(User::default(), [suspended(None)]).nickname().is_none());
}

#[test]
fn a_suspended_user_can_still_be_erased() {
    given([registered(), suspended(None)]).when(UserCommand::EraseUser).then([UserEvent::UserErased {}]);
}

#[test]
fn a_suspension_is_part_of_the_stored_state() {
    let state = fold(User::default(), [registered(), suspended(Some(60))]);
    let stored = serde_json::to_value(&state).unwrap();
    assert_eq!(stored["suspension"], json!({"until": "1970-01-01T01:00:00Z"}));
    assert_eq!(serde_json::from_value::<User>(stored).unwrap(), state);
}

#[test]
fn a_token_for_a_new_password_is_issued_to_users() {
    let issue = || UserCommand::IssuePasswordReset { expires_at: minute(60) };
    given([registered()]).when(issue()).then([UserEvent::PasswordResetIssued { expires_at: minute(60) }]);
    given([]).when(issue()).then_refused(&UserRefusal::UserNotFound);
}

fn any_command() -> impl Strategy<Value = UserCommand> {
    prop_oneof![
        2 => Just(register("ann")),
        4 => "[A-C]".prop_map(|name| change_nickname(&name)),
        30 => (0..14_usize).prop_map(|number| register_device(number, "token")),
        6 => (0..14_usize).prop_map(remove_device),
        1 => Just(UserCommand::SetNotificationPreferences { preferences: wishes() }),
        1 => Just(set_quiet_hours("22:00", "07:00")),
        1 => Just(UserCommand::RemoveQuietHours),
        8 => (1..500_usize).prop_map(mute),
        2 => (1..500_usize).prop_map(unmute),
        8 => (1..900_usize).prop_map(block),
        2 => (1..900_usize).prop_map(unblock),
        4 => (1..9_u64).prop_map(|sequence| read_alarms(&format!("box-{}.i.{sequence}", sequence % 2))),
        1 => (0..9_i64).prop_map(|at| suspend(None, false, at)),
        1 => Just(UserCommand::ReinstateUser),
        1 => Just(UserCommand::EraseUser),
    ]
}

proptest! {
    #[test]
    fn no_sequence_of_commands_restores_a_user_or_exceeds_ten_devices(commands in vec(any_command(), 1..80)) {
        let (mut state, mut registrations, mut erased) = (User::default(), 0, false);
        for command in commands {
            for event in handle(&mut state, command).unwrap_or_default() {
                prop_assert!(!erased, "after the erase: {:?}", event);
                registrations += usize::from(matches!(event, UserEvent::UserRegistered { .. }));
                erased = matches!(event, UserEvent::UserErased {});
            }
            prop_assert!(registrations <= 1 && state.devices.len() <= MAX_DEVICES);
            prop_assert!(state.muted_rooms.len() <= MAX_MUTED_ROOMS);
            prop_assert!(state.blocked_users.len() <= MAX_BLOCKED_USERS);
            prop_assert_eq!(state.nickname().is_some(), registrations == 1 && !erased);
        }
    }
}
