//! Upcasts stored events of all former shapes to the current ones.

use cqrs_es::DomainEvent;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// An event that can be read from all its stored shapes.
pub trait StoredEvent: DomainEvent {
    /// All stored names. A name is never removed.
    const TYPES: &'static [&'static str];

    /// The steps from older shapes to newer ones.
    const UPCASTS: &'static [Upcast];

    /// The version in which events of this type are stored now.
    fn version_of(event_type: &str) -> u32 {
        let steps = Self::UPCASTS.iter().filter(|step| step.event_type == event_type);
        steps.map(|step| step.from + 1).max().unwrap_or(1)
    }
}

/// An upcaster: converts the data of an event from one version to the next.
#[derive(Debug)]
pub struct Upcast {
    /// The event type.
    pub event_type: &'static str,
    /// The version of the input.
    pub from: u32,
    /// The conversion.
    pub step: fn(Value) -> Value,
}

/// The reasons for which a stored event cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is not the expected JSON.
    #[error("an event cannot be read: {0}")]
    Json(String),
    /// It was written by a newer release.
    #[error("{event_type} version {version} is not supported by this release")]
    UnknownVersion {
        /// The event type.
        event_type: String,
        /// The version.
        version: u32,
    },
    /// Its envelope was written by a newer release.
    #[error("the envelope schema {0} is not supported by this release")]
    UnknownSchema(u32),
    /// A value could not be decrypted with its owner's key.
    #[error("an encrypted value was changed or moved, or was not decrypted")]
    NotDecrypted,
    /// A part of the commit is missing or unreadable.
    #[error("{0} is missing or unreadable")]
    Header(&'static str),
}

impl DecodeError {
    pub(crate) fn json(error: impl std::fmt::Display) -> Self {
        Self::Json(error.to_string())
    }
}

#[derive(Deserialize)]
struct Stored<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    version: u32,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Reads one event of the envelope.
pub(crate) fn decode_event<E: StoredEvent>(json: &str) -> Result<E, DecodeError> {
    let stored: Stored<'_> = serde_json::from_str(json).map_err(DecodeError::json)?;
    if stored.version == E::version_of(stored.event_type) {
        return serde_json::from_str(json).map_err(DecodeError::json);
    }
    let data = upcast::<E>(&stored)?;
    serde_json::from_value(serde_json::json!({ "type": stored.event_type, "data": data })).map_err(DecodeError::json)
}

/// Reads the fields of one event in the current shape, with encrypted values as stored.
pub(crate) fn decode_fields<E: StoredEvent>(json: &str) -> Result<Value, DecodeError> {
    let stored: Stored<'_> = serde_json::from_str(json).map_err(DecodeError::json)?;
    if E::TYPES.contains(&stored.event_type) { upcast::<E>(&stored) } else { Err(unknown(&stored)) }
}

/// Returns the type of one event of the envelope.
pub(crate) fn type_of(json: &str) -> Result<&str, DecodeError> {
    let stored: Stored<'_> = serde_json::from_str(json).map_err(DecodeError::json)?;
    Ok(stored.event_type)
}

fn upcast<E: StoredEvent>(stored: &Stored<'_>) -> Result<Value, DecodeError> {
    let current = E::version_of(stored.event_type);
    let mut data: Value = serde_json::from_str(stored.data.get()).map_err(DecodeError::json)?;
    for version in stored.version..current {
        let step = E::UPCASTS.iter().find(|step| step.event_type == stored.event_type && step.from == version);
        data = (step.ok_or_else(|| unknown(stored))?.step)(data);
    }
    if stored.version > current { Err(unknown(stored)) } else { Ok(data) }
}

fn unknown(stored: &Stored<'_>) -> DecodeError {
    DecodeError::UnknownVersion { event_type: stored.event_type.to_owned(), version: stored.version }
}

impl StoredEvent for domain::BoxEvent {
    const TYPES: &'static [&'static str] = Self::TYPES;
    const UPCASTS: &'static [Upcast] = &[
        Upcast { event_type: "message_posted", from: 0, step: |data| renamed(data, "text", "body") },
        Upcast { event_type: "message_posted", from: 1, step: without_mentions },
        Upcast { event_type: "message_edited", from: 1, step: without_mentions },
    ];
}

impl StoredEvent for domain::UserEvent {
    const TYPES: &'static [&'static str] = Self::TYPES;
    const UPCASTS: &'static [Upcast] = &[Upcast { event_type: "device_registered", from: 1, step: with_provider }];
}

impl StoredEvent for domain::StoreEvent {
    const TYPES: &'static [&'static str] = Self::TYPES;
    const UPCASTS: &'static [Upcast] = &[];
}

impl StoredEvent for domain::FilterEvent {
    const TYPES: &'static [&'static str] = Self::TYPES;
    const UPCASTS: &'static [Upcast] = &[];
}

impl StoredEvent for domain::ReportEvent {
    const TYPES: &'static [&'static str] = Self::TYPES;
    const UPCASTS: &'static [Upcast] = &[];
}

/// Marks the mentions as not stored: the text has them.
fn without_mentions(mut data: Value) -> Value {
    if let Some(fields) = data.as_object_mut() {
        fields.insert("mentions".to_owned(), Value::Null);
        fields.insert("mentions_all".to_owned(), Value::Bool(false));
    }
    data
}

/// Adds the only provider and the only language that there were.
fn with_provider(data: Value) -> Value {
    let mut data = renamed(data, "push_token", "target");
    if let Some(fields) = data.as_object_mut() {
        fields.insert("provider".to_owned(), "fcm".into());
        fields.insert("locale".to_owned(), "en".into());
    }
    data
}

fn renamed(mut data: Value, from: &str, to: &str) -> Value {
    if let Some(fields) = data.as_object_mut()
        && let Some(value) = fields.remove(from)
    {
        fields.insert(to.to_owned(), value);
    }
    data
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::*;
    use crate::{executor::unique_names::ClaimEvent, marks::event::MarkEvent};

    fn fixture(event_type: &str, version: u32) -> Option<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        std::fs::read_to_string(folder.join(format!("{event_type}.{version}.json"))).ok()
    }

    /// Checks that every shape ever stored decodes to the same event as the current shape.
    fn every_shape_decodes<E: StoredEvent>() -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        for event_type in E::TYPES {
            let current = E::version_of(event_type);
            let json = fixture(event_type, current).unwrap_or_else(|| panic!("{event_type} {current} has no fixture"));
            let expected: E = decode_event(&json).unwrap_or_else(|error| panic!("{event_type}: {error}"));
            assert_eq!(expected.event_type(), *event_type);
            assert_eq!(serde_json::json!(expected)["data"], serde_json::from_str::<Value>(&json).unwrap()["data"]);
            let oldest = E::UPCASTS.iter().filter(|step| step.event_type == *event_type).map(|step| step.from).min();
            for version in oldest.unwrap_or(current)..=current {
                let json = fixture(event_type, version).unwrap_or_else(|| panic!("{event_type} {version}: no fixture"));
                assert_eq!(decode_event::<E>(&json).unwrap(), expected, "{event_type} {version}");
                seen.insert(format!("{event_type}.{version}.json"));
            }
        }
        seen
    }

    #[test]
    fn every_stored_format_decodes() {
        let mut seen = every_shape_decodes::<domain::BoxEvent>();
        seen.extend(every_shape_decodes::<domain::UserEvent>());
        seen.extend(every_shape_decodes::<domain::StoreEvent>());
        seen.extend(every_shape_decodes::<domain::FilterEvent>());
        seen.extend(every_shape_decodes::<domain::ReportEvent>());
        seen.extend(every_shape_decodes::<MarkEvent>());
        seen.extend(every_shape_decodes::<ClaimEvent>());
        let folder = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")).unwrap();
        let files: BTreeSet<String> =
            folder.map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect();
        assert_eq!(files, seen, "a fixture that no event reads, or the other way round");
    }

    #[test]
    fn events_of_a_newer_release_are_not_guessed() {
        let newer = r#"{"type":"message_posted","version":3,"data":{}}"#;
        assert!(matches!(decode_event::<domain::BoxEvent>(newer), Err(DecodeError::UnknownVersion { version: 3, .. })));
        let unheard_of = r#"{"type":"box_exploded","version":1,"data":{}}"#;
        assert!(matches!(decode_event::<domain::BoxEvent>(unheard_of), Err(DecodeError::Json(_))));
    }

    fn has_versions_of_the_log<E: StoredEvent>() {
        for event_type in E::TYPES {
            let version = E::version_of(event_type);
            let event: E = decode_event(&fixture(event_type, version).unwrap()).unwrap();
            assert_eq!(event.event_version(), version.to_string(), "{event_type}");
        }
    }

    #[test]
    fn domain_and_log_agree_on_event_versions() {
        has_versions_of_the_log::<domain::BoxEvent>();
        has_versions_of_the_log::<domain::UserEvent>();
        has_versions_of_the_log::<domain::StoreEvent>();
        has_versions_of_the_log::<domain::FilterEvent>();
        has_versions_of_the_log::<domain::ReportEvent>();
    }

    #[test]
    fn mentions_are_stored_since_version_2() {
        let stored = r#"{"type":"message_edited","version":2,"data":
            {"room_id":"b1.1","message_id":"8","body":"@bob, look","mentions":["bob"],"mentions_all":true}}"#;
        let domain::BoxEvent::Talk { event, .. } = decode_event(stored).unwrap() else { panic!("not of the talk") };
        let mentions = Some(vec!["bob".parse().unwrap()]);
        let (message_id, body) = (domain::MessageId::new(8), "@bob, look".to_owned());
        assert_eq!(event, domain::TalkEvent::MessageEdited { message_id, body, mentions, mentions_all: true });
    }
}
