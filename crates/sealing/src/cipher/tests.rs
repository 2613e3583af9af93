//! Tests of encrypting personal values, and of decrypting them in their own place only.

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use domain::{BoxEvent, BoxId, DeliveryBox, RoomId, TalkEvent, User, UserEvent};
use event_store::{
    ActorRole, CommandContext, DecodeError, Decoded, RecordedCommit, RequestHash, StoredAggregate,
    executor::store::{StateAfter, prepare},
};
use proptest::prelude::*;
use serde_json::Value;
use wire::StreamName;

use super::*;

fn ann() -> UserId {
    "ann".parse().unwrap()
}

fn key() -> UserKey {
    UserKey::new(&[7; 32])
}

fn commit<A: StoredAggregate>(id: &A::Id, events: &[A::Event]) -> NewMessage {
    let mut state = A::default();
    events.iter().cloned().for_each(|event| state.apply(event));
    let context = CommandContext {
        command_id: None,
        request_hash: RequestHash::keyed(b"secret", &[]),
        actor: ann(),
        role: ActorRole::User,
        at: DateTime::UNIX_EPOCH,
        traceparent: None,
        reason: None,
    };
    prepare::<A>(id, events, &StateAfter { state: &state, version: 0 }, context, 4).unwrap()
}

fn room_id() -> RoomId {
    "b1.1".parse().unwrap()
}

fn said(body: &str) -> NewMessage {
    let box_id: BoxId = "b1".parse().unwrap();
    let (body, mentions) = (body.to_owned(), Some(vec![]));
    let event = TalkEvent::MessagePosted { author: ann(), body, reply_to: None, mentions, mentions_all: false };
    let event = event.in_room(room_id());
    commit::<DeliveryBox>(&box_id, &[event])
}

fn registered(nickname: &str) -> NewMessage {
    commit::<User>(&ann(), &[UserEvent::UserRegistered { user_id: ann(), nickname: nickname.to_owned() }])
}

fn encrypted(message: &NewMessage) -> Recorded {
    let owner = owner(message).expect("something is personal");
    stored(&encrypt_values(message, &owner, &key()).expect("it is sealed"))
}

fn stored(message: &NewMessage) -> Recorded {
    let NewMessage { subject, headers, payload, .. } = message.clone();
    let stored_at = DateTime::UNIX_EPOCH;
    Recorded { stream: StreamName::Box(0), sequence: 1, subject, headers: headers.into(), payload, stored_at }
}

fn decrypting_with(mut recorded: Recorded, key: Option<&Option<UserKey>>) -> Recorded {
    let values = encrypted_values(&recorded.payload);
    decrypt_values(&mut recorded, &values, |_| key);
    recorded
}

fn decrypted(recorded: Recorded) -> Recorded {
    decrypting_with(recorded, Some(&Some(key())))
}

fn decoded(recorded: &Recorded) -> Result<Decoded, DecodeError> {
    RecordedCommit::parse(recorded).unwrap().decode()
}

fn holds(payload: &[u8], text: &str) -> bool {
    memchr::memmem::find(payload, text.as_bytes()).is_some()
}

proptest! {
    #[test]
    fn a_sealed_value_opens_to_the_same_bytes(body in "\\PC{1,40}", odd in any::<String>()) {
        for text in [body.clone(), odd.clone(), format!(r#"{body}","type":"x","sealed":"{odd}\"#)] {
            for message in [said(&text), registered(&text)] {
                prop_assume!(!text.is_empty());
                let encrypted = encrypted(&message);
                prop_assert!(text.len() < 5 || !holds(&encrypted.payload, &text));
                prop_assert_eq!(decrypted(encrypted).payload, message.payload);
            }
        }
    }

    #[test]
    fn a_plain_text_is_never_taken_for_a_sealed_value(text in "(\\{\"sealed\":\"[a-z]{0,9}\",\"of\":\"ann\"\\}){1,3}") {
        let message = said(&text);
        prop_assert!(encrypted_values(&message.payload).is_empty());
        prop_assert_eq!(decrypted(stored(&message)).payload, message.payload);
    }
}

#[test]
fn the_same_text_is_sealed_differently_each_time() {
    let message = said("Two dumplings");
    assert_ne!(encrypted(&message).payload, encrypted(&message).payload);
}

#[test]
fn events_and_state_are_sealed_alike() {
    let message = registered("Ann of the Hills");
    let recorded = encrypted(&message);
    assert_eq!(encrypted_values(&recorded.payload).len(), 2);
    assert!(!holds(&recorded.payload, "Hills"));
    let parsed = RecordedCommit::parse(&recorded).unwrap();
    assert_eq!(User::stored_state(&parsed).map(|_| ()), None, "an encrypted state is not used");
    let state = User::stored_state(&RecordedCommit::parse(&decrypted(recorded)).unwrap()).unwrap();
    assert_eq!(state.nickname(), Some("Ann of the Hills"));
}

#[test]
fn a_sealed_value_opens_only_in_its_place() {
    let recorded = encrypted(&said("Two dumplings"));
    assert!(decoded(&decrypted(recorded.clone())).is_ok());
    let stays_shut = |recorded: Recorded| {
        let decrypted = decrypted(recorded);
        assert!(!holds(&decrypted.payload, "dumplings"));
        assert!(matches!(decoded(&decrypted), Err(DecodeError::NotDecrypted)), "{decrypted:?}");
    };
    stays_shut(Recorded { subject: "box.0.b2.talk".to_owned(), ..recorded.clone() });
    let mut headers = async_nats::HeaderMap::new();
    recorded.headers.each(|name, value| headers.insert(name, value));
    headers.insert(header::COMMIT_ID, "another");
    stays_shut(Recorded { headers: headers.into(), ..recorded.clone() });
    let payload = String::from_utf8(recorded.payload.to_vec()).unwrap();
    let edited =
        payload.replace("message_posted", "message_edited").replace(r#""author":"ann""#, r#""message_id":"1""#);
    stays_shut(Recorded { payload: edited.into(), ..recorded.clone() });
    let flipped =
        payload.replace(r#"{"sealed":"A"#, r#"{"sealed":"B"#).replacen(r#"{"sealed":""#, r#"{"sealed":"AAAA"#, 1);
    stays_shut(Recorded { payload: flipped.into(), ..recorded.clone() });
    let other = decrypting_with(recorded, Some(&Some(UserKey::new(&[8; 32]))));
    assert!(matches!(decoded(&other), Err(DecodeError::NotDecrypted)), "another key");
}

#[test]
fn only_a_destroyed_key_makes_a_value_erased() {
    let recorded = encrypted(&said("Two dumplings"));
    let erased = decrypting_with(recorded.clone(), Some(&None));
    let Ok(Decoded::Box(events)) = decoded(&erased) else { panic!("{erased:?}") };
    let [BoxEvent::Talk { event: TalkEvent::MessagePosted { body, .. }, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(body, "[erased]");
    assert!(matches!(decoded(&decrypting_with(recorded, None)), Err(DecodeError::NotDecrypted)), "an unknown key");
}

#[test]
fn events_without_personal_data_have_no_owner() {
    let gone = commit::<User>(&ann(), &[UserEvent::UserErased {}]);
    assert_eq!(owner(&gone), None);
    assert_eq!(owner(&said("hello")), Some(ann()));
}

/// Events whose texts are not personal. The texts of a new event must be listed here or be encrypted.
const NOT_PERSONAL: [&str; 16] = [
    "box_installed",
    "box_details_changed",
    "store_registered",
    "store_changed", // Places and shops.
    "box_taken_out_of_service",
    "event_dropped", // An operator's reasons.
    "reaction_added",
    "reaction_removed", // An emoji.
    "nickname_claimed",
    "nickname_released", // User ids.
    "notification_preferences_set",
    "read_marker_sharing_set",
    "room_muted",
    "room_unmuted",
    "filter_set", // Written by operators.
    "filter_removed",
];

#[test]
fn every_text_of_every_event_is_sealed_or_known_to_be_harmless() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../event-store/fixtures");
    let mut sealed_types = BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let event: BTreeMap<String, Value> =
            serde_json::from_slice(&std::fs::read(file.unwrap().path()).unwrap()).unwrap();
        let (name, data) = (event["type"].as_str().unwrap(), &event["data"]);
        let payload = format!(r#"{{"events":[{{"version":1,"type":"{name}","data":{data}}}]}}"#);
        let hidden: Vec<_> = fields::personal_values(payload.as_bytes()).into_iter().map(|at| &payload[at]).collect();
        sealed_types.extend((!hidden.is_empty()).then(|| name.to_owned()));
        for (field, value) in data.as_object().unwrap() {
            let Some(text) = value.as_str() else { continue };
            let is_id = field.ends_with("_id")
                || ["author", "host", "from", "to", "by", "reply_to", "reporter"].contains(&&**field);
            let is_code = field.ends_with("_at")
                || field.ends_with("_hash")
                || [
                    "at", "until", "reason", "change", "step", "kind", "sequence", "provider", "locale", "category",
                    "action",
                ]
                .contains(&&**field);
            let harmless = is_id || is_code || NOT_PERSONAL.contains(&name);
            // The oldest shape of a message predates encryption, and that of a device is not written any more.
            let plain =
                [("message_posted", "text"), ("device_registered", "push_token")].contains(&(name, field.as_str()));
            assert!(harmless || plain || hidden.contains(&format!("\"{text}\"").as_str()), "{name} {field} is plain");
        }
    }
    let expected = [
        "device_registered",
        "message_edited",
        "message_held",
        "message_posted",
        "nickname_changed",
        "quiet_hours_set",
        "report_filed",
        "report_resolved",
        "room_changed",
        "room_opened",
        "user_registered",
    ];
    assert_eq!(sealed_types, expected.map(str::to_owned).into());
}
