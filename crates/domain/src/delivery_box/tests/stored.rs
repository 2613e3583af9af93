//! The stored form of every event and of the state. The log must stay readable, so it must never change.

use serde_json::{Value, json};

use super::*;
use crate::{
    delivery_box::Lane,
    scenario::{fold, through_json, types_known_to_serde},
};

/// One example of each event with its stored form, in the order of [`BoxEvent::TYPES`].
fn examples() -> Vec<(BoxEvent, Value)> {
    [about_the_box(), about_the_room(), about_the_talk()].concat()
}

fn about_the_box() -> Vec<(BoxEvent, Value)> {
    let changed = BoxEvent::Box(OwnEvent::BoxDetailsChanged {
        kind: Some(BoxKind::Private),
        zip_code: None,
        address: None,
        detailed_address: Some("cellar".into()),
        coordinates: Some((52.5, 13.4)),
    });
    let all = json!({
        "box_id": "b", "kind": "shared", "zip_code": "04109", "address": "Markt 1", "detailed_address": "by the gate",
        "latitude": 51.34, "longitude": 12.37,
    });
    let some = json!({
        "kind": "private", "zip_code": null, "address": null, "detailed_address": "cellar", "coordinates": [52.5, 13.4],
    });
    vec![
        (installed(), all),
        (changed, some),
        (taken_out(), json!({"reason": "broken lock"})),
        (BoxEvent::Box(OwnEvent::BoxReturnedToService {}), json!({})),
        (BoxEvent::Box(OwnEvent::BoxRetired {}), json!({})),
        (BoxEvent::Box(OwnEvent::OrderArrived { room_id: Some(room(1)) }), json!({"room_id": "b.1"})),
        (BoxEvent::Box(OwnEvent::DoorOpened { room_id: None }), json!({"room_id": null})),
        (dropped(7), json!({"sequence": "7", "reason": "unreadable"})),
        (BoxEvent::Box(OwnEvent::UserAllowed { user_id: user("ben") }), json!({"user_id": "ben"})),
        (BoxEvent::Box(OwnEvent::UserDisallowed { user_id: user("ben") }), json!({"user_id": "ben"})),
        (erased("ben"), json!({"user_id": "ben"})),
    ]
}

fn about_the_room() -> Vec<(BoxEvent, Value)> {
    let opened = json!({
        "room_id": "b.1", "store_id": "pizzeria", "title": "Pizza at noon", "host": "ann", "max_members": 3,
        "password_hash": HASH, "opened_at": "2030-03-17T17:46:40Z", "closes_at": "2030-03-17T20:46:40Z",
    });
    let transferred = json!({"room_id": "b.1", "from": "ann", "to": "ben", "change": "transferred"});
    let changed = RoomEvent::RoomChanged {
        store_id: Some("noodles".parse().unwrap()),
        title: None,
        max_members: Some(4),
        password_hash: Some(HASH.into()),
        password_removed: false,
    }
    .in_room(room(1));
    let change = json!({
        "room_id": "b.1", "store_id": "noodles", "title": null, "max_members": 4, "password_hash": HASH,
        "password_removed": false,
    });
    let mute = json!({
        "room_id": "b.1", "user_id": "ben", "muted_at": "2030-03-17T17:47:40Z", "until": "2030-03-17T17:57:40Z",
    });
    let invitation = json!({
        "room_id": "b.1", "invitation": 1, "token_hash": "hash-1", "max_uses": 2,
        "created_at": "2030-03-17T17:46:40Z", "expires_at": "2030-03-17T18:46:40Z",
    });
    let extension = json!({"room_id": "b.1", "extension": 1, "hours": 1, "closes_at": "2030-03-17T21:46:40Z"});
    vec![
        (opened_locked(), opened),
        (joined("ben"), json!({"room_id": "b.1", "user_id": "ben"})),
        (left("ben"), json!({"room_id": "b.1", "user_id": "ben"})),
        (kicked("ben"), json!({"room_id": "b.1", "user_id": "ben", "by": "ann"})),
        (RoomEvent::KickLifted { user_id: user("ben") }.in_room(room(1)), json!({"room_id": "b.1", "user_id": "ben"})),
        (host_changed("ann", "ben", HostChange::Transferred), transferred),
        (changed, change),
        (co_host("ben"), json!({"room_id": "b.1", "user_id": "ben"})),
        (
            RoomEvent::CoHostDismissed { user_id: user("ben") }.in_room(room(1)),
            json!({"room_id": "b.1", "user_id": "ben"}),
        ),
        (muted("ben", 1, 11), mute),
        (unmuted("ben"), json!({"room_id": "b.1", "user_id": "ben"})),
        (slow_mode_set(30), json!({"room_id": "b.1", "seconds": 30})),
        (pinned(9, Some(7)), json!({"room_id": "b.1", "message_id": "9", "replaced": "7"})),
        (unpinned(7), json!({"room_id": "b.1", "message_id": "7"})),
        (invitation_created(1, 2, 60), invitation),
        (RoomEvent::InvitationRevoked { invitation: 1 }.in_room(room(1)), json!({"room_id": "b.1", "invitation": 1})),
        (invitation_used(1, "ben"), json!({"room_id": "b.1", "invitation": 1, "user_id": "ben"})),
        (
            RoomEvent::StepAdvanced { step: Step::Ordered }.in_room(room(1)),
            json!({"room_id": "b.1", "step": "ordered"}),
        ),
        (extended(1, 1, DEADLINE + 60), extension),
        (closing_soon(DEADLINE), json!({"room_id": "b.1", "closes_at": "2030-03-17T20:46:40Z"})),
        (closed(1, RoomClosedReason::Expired), json!({"room_id": "b.1", "reason": "expired"})),
    ]
}

fn about_the_talk() -> Vec<(BoxEvent, Value)> {
    let (room_id, message_id) = (|| room(1), MessageId::new(7));
    let posted = TalkEvent::MessagePosted {
        author: user("ben"),
        body: "@ann, hi".into(),
        reply_to: Some(MessageId::new(5)),
        mentions: Some(vec![user("ann")]),
        mentions_all: false,
    }
    .in_room(room_id());
    let edited =
        TalkEvent::MessageEdited { message_id, body: "hello @all".into(), mentions: Some(vec![]), mentions_all: true }
            .in_room(room_id());
    let deleted = TalkEvent::MessageDeleted { message_id, by: user("ann") }.in_room(room_id());
    let added = TalkEvent::ReactionAdded { message_id, user_id: user("ann"), emoji: "👍".into() }.in_room(room_id());
    let removed =
        TalkEvent::ReactionRemoved { message_id, user_id: user("ann"), emoji: "👍".into() }.in_room(room_id());
    let reaction = json!({"room_id": "b.1", "message_id": "7", "user_id": "ann", "emoji": "👍"});
    let posted_data = json!({
        "room_id": "b.1", "author": "ben", "body": "@ann, hi", "reply_to": "5", "mentions": ["ann"],
        "mentions_all": false,
    });
    let edited_data = json!({
        "room_id": "b.1", "message_id": "7", "body": "hello @all", "mentions": [], "mentions_all": true,
    });
    vec![
        (posted, posted_data),
        (edited, edited_data),
        (deleted, json!({"room_id": "b.1", "message_id": "7", "by": "ann"})),
        (added, reaction.clone()),
        (removed, reaction),
    ]
}

#[test]
fn every_event_type_is_listed_and_has_an_example() {
    let examples: Vec<_> = examples().iter().map(|(event, _)| event.name()).collect();
    assert_eq!(types_known_to_serde::<BoxEvent>(), BoxEvent::TYPES);
    assert_eq!(examples, BoxEvent::TYPES);
}

#[test]
fn every_event_keeps_its_stored_form() {
    for (event, data) in examples() {
        let stored = json!({"type": event.name(), "data": data});
        assert_eq!(serde_json::to_value(&event).unwrap(), stored);
        assert_eq!(serde_json::from_value::<BoxEvent>(stored).unwrap(), event);
    }
}

#[test]
fn the_room_comes_first_and_unknown_fields_are_ignored() {
    let stored = r#"{"type":"member_kicked","data":{"room_id":"b.1","user_id":"ben","by":"ann"}}"#;
    assert_eq!(serde_json::to_string(&kicked("ben")).unwrap(), stored);
    let newer = r#"{"version":1,"type":"member_kicked","data":{"by":"ann","why":"","user_id":"ben","room_id":"b.1"}}"#;
    assert_eq!(serde_json::from_str::<BoxEvent>(newer).unwrap(), kicked("ben"));
}

#[test]
fn only_conversation_events_are_on_the_talk_lane() {
    let talk = examples().into_iter().filter(|(event, _)| event.lane() == Lane::Talk).map(|(event, _)| event.name());
    let expected = ["message_posted", "message_edited", "message_deleted", "reaction_added", "reaction_removed"];
    assert_eq!(talk.collect::<Vec<_>>(), expected);
}

#[test]
fn every_event_names_its_room() {
    for (event, data) in examples() {
        assert_eq!(event.room_id().map(ToString::to_string).as_deref(), data["room_id"].as_str(), "{}", event.name());
    }
}

#[test]
fn stored_names_equal_the_names_on_the_wire() {
    let stored = |value: Value| value.as_str().unwrap().to_owned();
    for reason in [RoomClosedReason::Host, RoomClosedReason::Empty, RoomClosedReason::Expired] {
        assert_eq!(stored(json!(reason)), reason.as_str());
    }
    for kind in [BoxKind::Shared, BoxKind::Private] {
        assert_eq!(stored(json!(kind)), kind.as_str());
    }
    let steps = [Step::Gathering, Step::Ordering, Step::Ordered, Step::Delivering, Step::Arrived, Step::Collected];
    for step in steps {
        assert_eq!(stored(json!(step)), step.as_str());
    }
    assert!(steps.is_sorted(), "steps go forward in the order in which they are named");
    assert_eq!(json!([HostChange::Transferred, HostChange::Succession]), json!(["transferred", "succession"]));
}

#[test]
fn the_state_of_a_box_keeps_its_stored_form() {
    let past = [
        installed(),
        opened_locked(),
        joined("ben"),
        joined("cho"),
        kicked("cho"),
        extended(1, 1, DEADLINE + 60),
        RoomEvent::StepAdvanced { step: Step::Ordering }.in_room(room(1)),
    ];
    let state = fold(DeliveryBox::default(), past);
    let mut stored = json!({
        "box_id": "b",
        "service": "in_service",
        "kind": "shared",
        "room": {
            "room_id": "b.1", "host": "ann", "max_members": 3, "password_hash": HASH, "step": "ordering",
            "closes_at": "2030-03-17T21:46:40Z", "warns_at": "2030-03-17T21:36:40Z", "extensions": 1,
            "members": ["ann", "ben"], "kicked": ["cho"],
            "closed": false,
        },
    });
    assert_eq!(serde_json::to_value(&state).unwrap(), stored);
    assert_eq!(through_json(&state), state);
    // Releases without warnings have no time of a warning, and neither have rooms whose members were warned.
    let warned = fold(state, [closing_soon(DEADLINE + 60)]);
    stored["room"].as_object_mut().unwrap().remove("warns_at");
    assert_eq!(serde_json::to_value(&warned).unwrap(), stored);
    assert_eq!(through_json(&warned), warned);
    // Releases without private boxes stored no kind.
    stored.as_object_mut().unwrap().remove("kind");
    let older: DeliveryBox = serde_json::from_value(stored).unwrap();
    assert!(warned.is_complete() && !older.is_complete() && DeliveryBox::default().is_complete());
}

#[test]
fn the_state_of_a_moderated_room_keeps_its_stored_form() {
    let past = [
        installed(),
        BoxEvent::Box(OwnEvent::UserAllowed { user_id: user("ann") }),
        opened(1, "ann", 0),
        joined("ben"),
        joined("cho"),
        co_host("ben"),
        muted("cho", 1, 11),
        slow_mode_set(30),
        pinned(7, None),
        invitation_created(1, 2, 60),
        invitation_used(1, "dan"),
    ];
    let state = fold(DeliveryBox::default(), past);
    let stored = json!({
        "box_id": "b",
        "service": "in_service",
        "kind": "shared",
        "users": ["ann"],
        "room": {
            "room_id": "b.1", "host": "ann", "max_members": 3, "password_hash": null, "step": "gathering",
            "closes_at": "2030-03-17T20:46:40Z", "warns_at": "2030-03-17T20:36:40Z", "extensions": 0,
            "members": ["ann", "ben", "cho"], "co_hosts": ["ben"], "kicked": [],
            "muted": { "cho": "2030-03-17T17:57:40Z" }, "slow_mode": 30, "pins": ["7"],
            "invitations": [{ "number": 1, "hash": "hash-1", "uses": 1, "expires_at": "2030-03-17T18:46:40Z" }],
            "last_invitation": 1,
            "closed": false,
        },
    });
    assert_eq!(serde_json::to_value(&state).unwrap(), stored);
    assert_eq!(through_json(&state), state);
}
