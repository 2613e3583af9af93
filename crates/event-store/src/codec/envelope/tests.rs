use std::path::Path;

use domain::User;

use super::*;
use crate::{executor::aggregate::StoredAggregate, marks::keys::MarkKeys};

/// Reads a stored message of a present or former shape: subject, headers and payload.
fn fixture(name: &str) -> RecordedCommit {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures-of-commits/{name}.json"));
    let stored: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in stored["headers"].as_object().unwrap() {
        headers.insert(name.as_str(), value.as_str().unwrap());
    }
    let subject = stored["subject"].as_str().unwrap().to_owned();
    let stream = Source::parse(&subject).unwrap().stream(1);
    let payload = stored["payload"].to_string().into();
    let stored_at = DateTime::UNIX_EPOCH;
    let recorded = Recorded { stream, sequence: 7, subject, headers: headers.into(), payload, stored_at };
    RecordedCommit::parse(&recorded).unwrap()
}

#[test]
fn commits_without_events_can_be_read() {
    let [of_box, of_user, of_store] = ["box", "user", "store"].map(|of| fixture(&format!("{of}_without_events")));
    assert_eq!(of_box.decode().unwrap(), Decoded::Box(vec![]));
    assert_eq!(of_user.decode().unwrap(), Decoded::User(vec![]));
    assert_eq!(of_store.decode().unwrap(), Decoded::Store(vec![]));
    assert_eq!((of_box.role, of_user.role), (Some(ActorRole::Operator), Some(ActorRole::User)));
}

#[test]
fn states_of_readable_earlier_versions_are_read() {
    let of_user = fixture("user_without_events");
    assert_eq!(of_user.state::<User>(1..=1), User::stored_state(&of_user));
    assert_eq!(User::stored_state(&of_user).unwrap().nickname(), Some("Sunny"));
    assert_eq!(of_user.state::<User>(2..=2), None);
}

#[test]
fn markers_are_read_with_and_without_keys() {
    for (name, with_keys) in [("marker_with_keys", true), ("marker_without_keys", false)] {
        let marker = fixture(name);
        assert_eq!(marker.decode().unwrap(), Decoded::Mark { message_id: MessageId::new(8) });
        let keys = marker.state::<MarkKeys>(MarkKeys::VERSION..=MarkKeys::VERSION).unwrap_or_default();
        assert_eq!((keys != MarkKeys::default(), marker.role.is_some()), (with_keys, with_keys));
    }
}
