//! Users, their devices and notification preferences.

use std::collections::BTreeMap;

use domain::{AlarmKind, UserEvent, values::PushProvider};
use projector::Content;
use serde_json::json;
use wire::StreamName;

use crate::{
    story::{Story, room, time, user},
    world::World,
};

fn registered(id: &str) -> UserEvent {
    UserEvent::UserRegistered { user_id: user(id), nickname: format!("{id}!") }
}

fn device(id: &str, token: &str) -> UserEvent {
    let (device_id, target, locale) = (id.parse().expect("a device id"), token.to_owned(), "ko".to_owned());
    UserEvent::DeviceRegistered { device_id, provider: PushProvider::Apns, target, locale }
}

fn quiet_hours_set(from: &str) -> UserEvent {
    UserEvent::QuietHoursSet { time_zone: "Asia/Seoul".to_owned(), from: from.to_owned(), to: "07:00".to_owned() }
}

#[tokio::test]
async fn a_user_has_a_nickname_and_preferences() {
    let mut world = World::start().await;
    let mut story = Story::new();
    story.add("ann", Content::Claim);
    story.user("ann", [registered("ann")]);
    world.project(StreamName::User, &story.commits).await;
    let row = json!({
        "user_id": "ann", "nickname": "ann!", "registered_at": time(2).to_rfc3339(), "notification_preferences": {},
        "share_read_markers": true, "quiet_hours": null, "suspended_at": null, "suspended_until": null,
        "suspension_reason": null,
    });
    assert_eq!(world.row("select * from users").await, row);
    let mut story = Story::from(3);
    story.user("ann", [UserEvent::NicknameChanged { nickname: "Ann B.".to_owned() }]);
    let preferences = BTreeMap::from([(AlarmKind::Reply, false), (AlarmKind::MadeHost, true)]);
    story.user("ann", [UserEvent::NotificationPreferencesSet { preferences }]);
    world.project(StreamName::User, &story.commits).await;
    let row = json!({
        "nickname": "Ann B.", "notification_preferences": { "reply": false, "made_host": true }
    });
    assert_eq!(world.row("select nickname, notification_preferences from users").await, row);
}

#[tokio::test]
async fn devices_are_added_changed_and_removed() {
    let mut world = World::start().await;
    let mut story = Story::new();
    story.user("ann", [registered("ann")]);
    story.user("ann", [device("phone", "t1")]);
    story.user("ann", [device("tablet", "t2")]);
    world.project(StreamName::User, &story.commits).await;
    let mut story = Story::from(4);
    story.user("ann", [device("phone", "t3")]);
    story.user("ann", [UserEvent::DeviceRemoved { device_id: "tablet".parse().expect("a device id") }]);
    world.project(StreamName::User, &story.commits).await;
    let row = json!({
        "user_id": "ann", "device_id": "phone", "provider": "apns", "target": "t3", "locale": "ko",
        "registered_at": time(4).to_rfc3339(),
    });
    assert_eq!(world.row("select * from devices").await, row);
}

#[tokio::test]
async fn quiet_hours_are_set_replaced_and_removed() {
    let mut world = World::start().await;
    let mut story = Story::new();
    for id in ["ann", "bob"] {
        story.user(id, [registered(id), quiet_hours_set("21:00"), quiet_hours_set("22:00")]);
    }
    story.user("bob", [UserEvent::QuietHoursRemoved {}]);
    world.project(StreamName::User, &story.commits).await;
    let quiet_hours = "select user_id || ' ' || coalesce(quiet_hours::text, 'none') from users order by 1";
    let of_ann = r#"ann {"to": "07:00", "from": "22:00", "time_zone": "Asia/Seoul"}"#;
    assert_eq!(world.texts(quiet_hours).await, [of_ann, "bob none"]);
    let mut story = Story::from(4);
    story.user("ann", [UserEvent::UserErased {}]);
    world.project(StreamName::User, &story.commits).await;
    assert_eq!(world.texts(quiet_hours).await, ["ann none", "bob none"]);
}

#[tokio::test]
async fn a_user_who_was_never_registered_is_erased() {
    let mut world = World::start().await;
    let mut story = Story::new();
    story.user("ann", [UserEvent::UserErased {}]);
    world.project(StreamName::User, &story.commits).await;
    let users = "select user_id || ' ' || coalesce(nickname, 'erased') from users";
    assert_eq!(world.texts(users).await, ["ann erased"]);
}

#[tokio::test]
async fn rooms_are_muted_and_unmuted_and_markers_hidden() {
    let mut world = World::start().await;
    let muted = |id: &str| UserEvent::RoomMuted { room_id: room(id) };
    let unmuted = |id: &str| UserEvent::RoomUnmuted { room_id: room(id) };
    let mut story = Story::new();
    for id in ["ann", "bob"] {
        story.user(id, [registered(id)]);
        story.user(id, [muted("b1.1"), muted("b1.2")]);
    }
    story.user("ann", [unmuted("b1.2"), UserEvent::ReadMarkerSharingSet { shared: false }]);
    world.project(StreamName::User, &story.commits).await;
    let all = "select user_id || ' ' || room_id from muted_rooms order by 1";
    let shared = "select user_id || ' ' || share_read_markers from users order by 1";
    assert_eq!(world.texts(all).await, ["ann b1.1", "bob b1.1", "bob b1.2"]);
    assert_eq!(world.texts(shared).await, ["ann false", "bob true"]);
    let mut story = Story::from(6);
    story.user("ann", [unmuted("b1.1"), muted("b1.2"), UserEvent::ReadMarkerSharingSet { shared: true }]);
    story.user("bob", [muted("b1.3"), UserEvent::UserErased {}]);
    world.project(StreamName::User, &story.commits).await;
    assert_eq!(world.texts(all).await, ["ann b1.2"]);
    assert_eq!(world.texts(shared).await, ["ann true", "bob false"]);
}

#[tokio::test]
async fn users_are_blocked_and_unblocked() {
    let mut world = World::start().await;
    let blocked = |id: &str| UserEvent::UserBlocked { user_id: user(id) };
    let unblocked = |id: &str| UserEvent::UserUnblocked { user_id: user(id) };
    let mut story = Story::new();
    for id in ["ann", "bob"] {
        story.user(id, [registered(id)]);
        story.user(id, [blocked("cem"), blocked("zoe")]);
    }
    story.user("ann", [unblocked("zoe")]);
    let changes = world.project(StreamName::User, &story.commits).await;
    let all = "select user_id || ' ' || blocked from blocks order by 1";
    assert_eq!(world.texts(all).await, ["ann cem", "bob cem", "bob zoe"]);
    assert_eq!(changes.stale_alarms, [user("ann"), user("bob")].into(), "they learn of it on live connections");
    let row = json!({ "user_id": "ann", "blocked": "cem", "blocked_at": time(2).to_rfc3339() });
    assert_eq!(world.row("select * from blocks where user_id = 'ann'").await, row);
    let mut story = Story::from(6);
    story.user("ann", [unblocked("cem"), blocked("cem"), blocked("bob")]);
    story.user("bob", [blocked("ann"), UserEvent::UserErased {}]);
    world.project(StreamName::User, &story.commits).await;
    assert_eq!(world.texts(all).await, ["ann bob", "ann cem"]);
}

#[tokio::test]
async fn an_erased_user_keeps_the_id() {
    let mut world = World::start().await;
    let mut story = Story::new();
    for id in ["ann", "bob"] {
        story.user(id, [registered(id)]);
        story.user(id, [device("phone", "t1")]);
    }
    story.user(
        "ann",
        [UserEvent::NotificationPreferencesSet { preferences: BTreeMap::from([(AlarmKind::Reply, false)]) }],
    );
    world.project(StreamName::User, &story.commits).await;
    let mut story = Story::from(6);
    story.user("ann", [device("tablet", "t2")]);
    story.user("ann", [UserEvent::UserErased {}]);
    world.project(StreamName::User, &story.commits).await;
    let row = json!({ "nickname": null, "notification_preferences": {} });
    assert_eq!(world.row("select nickname, notification_preferences from users where user_id = 'ann'").await, row);
    assert_eq!(world.texts("select user_id from devices").await, ["bob"]);
}

const SUSPENSION: &str = "select suspended_at, suspended_until, suspension_reason from users";

#[tokio::test]
async fn a_suspension_is_shown_with_its_end_and_reason_until_it_is_ended() {
    let mut world = World::start().await;
    let mut story = Story::new();
    story.user("ann", [registered("ann")]);
    story.user("ann", [UserEvent::UserSuspended { until: None }]);
    story.commits[1].reason = Some("spam".to_owned());
    world.project(StreamName::User, &story.commits).await;
    let suspended = |at: u64, until: Option<u64>, reason: Option<&str>| {
        json!({
            "suspended_at": time(at).to_rfc3339(), "suspended_until": until.map(|until| time(until).to_rfc3339()),
            "suspension_reason": reason,
        })
    };
    assert_eq!(world.row(SUSPENSION).await, suspended(2, None, Some("spam")));
    let mut story = Story::from(3);
    story.user("ann", [UserEvent::UserSuspended { until: Some(time(900)) }]);
    // The account of a moderator is no user.
    story.user("mia", [UserEvent::UserSuspended { until: None }]);
    story.user("mia", [UserEvent::UserReinstated {}]);
    story.user("ann", [UserEvent::PasswordResetIssued { expires_at: time(900) }]);
    world.project(StreamName::User, &story.commits).await;
    assert_eq!(world.row(SUSPENSION).await, suspended(3, Some(900), None));
    for event in [UserEvent::UserReinstated {}, UserEvent::UserErased {}] {
        let mut story = Story::from(7);
        story.user("ann", [UserEvent::UserSuspended { until: None }]);
        story.user("ann", [event]);
        let mut world = World::start().await;
        let mut first = Story::new();
        first.user("ann", [registered("ann")]);
        for _ in 2..7 {
            first.add("ann", Content::Claim);
        }
        world.project(StreamName::User, &first.commits).await;
        world.project(StreamName::User, &story.commits).await;
        let none = json!({ "suspended_at": null, "suspended_until": null, "suspension_reason": null });
        assert_eq!(world.row(SUSPENSION).await, none);
    }
}
