//! The body of a request: one event in the structured JSON of `CloudEvents` 1.0.

use chrono::{DateTime, SecondsFormat, Utc};
use event_store::{DecodeError, RecordedCommit};
use serde::Serialize;
use serde_json::{Map, Value};
use wire::Source;

/// The media type of the body.
pub(crate) const CONTENT_TYPE: &str = "application/cloudevents+json";

/// The beginning of the type of each event.
const TYPE_PREFIX: &str = "boxroom.";

/// The context in which all events happen.
const SOURCE: &str = "/boxroom";

/// The fields that are left out: texts of users, which the log may hold unencrypted, and secrets.
const LEFT_OUT: [&str; 4] = ["body", "password_hash", "title", "token_hash"];

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'static str,
    #[serde(rename = "type")]
    event_type: String,
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    data: Value,
}

/// Returns the id of an event: its position, and its number in its commit if it is not the first.
pub(crate) fn event_id(stream: &str, incarnation: &str, position: i64, index: i32) -> String {
    let position = format!("{stream}.{incarnation}.{position}");
    if index == 0 { position } else { format!("{position}.{index}") }
}

/// Returns the body of the request with an event of a box. Fails if this build cannot read the event.
pub(crate) fn body(commit: &RecordedCommit, index: usize, id: &str) -> Result<Vec<u8>, DecodeError> {
    let (Source::Room { box_id } | Source::Talk { box_id }) = &commit.source else {
        return Err(DecodeError::Header("the box"));
    };
    let event_type = commit.event_types()?.into_iter().nth(index).ok_or(DecodeError::Header("the event"))?;
    let mut data = commit.fields_of_box_event(index)?;
    leave_out(&mut data);
    let event = CloudEvent {
        specversion: "1.0",
        id,
        source: SOURCE,
        event_type: format!("{TYPE_PREFIX}{event_type}"),
        subject: box_id.as_str(),
        time: rfc3339(commit.at),
        datacontenttype: "application/json",
        data,
    };
    serde_json::to_vec(&event).map_err(|error| DecodeError::Json(error.to_string()))
}

fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Removes encrypted values, texts of users and secrets.
fn leave_out(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, value| !LEFT_OUT.contains(&name.as_str()) && !is_encrypted(value));
            fields.values_mut().for_each(leave_out);
        }
        Value::Array(items) => {
            items.retain(|item| !is_encrypted(item));
            items.iter_mut().for_each(leave_out);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_encrypted(value: &Value) -> bool {
    value.as_object().is_some_and(|fields: &Map<String, Value>| fields.contains_key("sealed"))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use async_nats::HeaderMap;
    use domain::BoxEvent;
    use event_store::{codec::envelope::header, log::Recorded};
    use serde_json::json;
    use wire::StreamName;

    use super::*;

    fn commit(events: &Value) -> RecordedCommit {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (header::SCHEMA, "1"),
            (header::COMMIT_ID, "c"),
            (header::ACTOR, "ana"),
            (header::OCCURRED_AT, "2026-11-21T12:00:00.123Z"),
        ] {
            headers.insert(name, value);
        }
        let recorded = Recorded {
            stream: StreamName::Box(2),
            sequence: 42,
            subject: "box.2.b1.room".to_owned(),
            headers: headers.into(),
            payload: json!({ "events": events }).to_string().into(),
            stored_at: DateTime::UNIX_EPOCH,
        };
        RecordedCommit::parse(&recorded).unwrap()
    }

    fn sent(commit: &RecordedCommit, index: usize) -> Value {
        let id = event_id("box-2", "4f2a", 42, i32::try_from(index).unwrap());
        serde_json::from_slice(&body(commit, index, &id).unwrap()).unwrap()
    }

    #[test]
    fn an_event_is_a_cloud_event() {
        let arrived = json!({ "version": 1, "type": "order_arrived", "data": { "room_id": "b1.3" } });
        let closed = json!({ "version": 1, "type": "room_closed", "data": { "room_id": "b1.3", "reason": "host" } });
        let commit = commit(&json!([arrived, closed]));
        assert_eq!(
            sent(&commit, 0),
            json!({
                "specversion": "1.0",
                "id": "box-2.4f2a.42",
                "source": "/boxroom",
                "type": "boxroom.order_arrived",
                "subject": "b1",
                "time": "2026-11-21T12:00:00.123Z",
                "datacontenttype": "application/json",
                "data": { "room_id": "b1.3" },
            })
        );
        let second = sent(&commit, 1);
        assert_eq!((&second["id"], &second["type"]), (&json!("box-2.4f2a.42.1"), &json!("boxroom.room_closed")));
        assert!(body(&commit, 2, "x").is_err());
    }

    #[test]
    fn texts_and_secrets_are_left_out() {
        let sealed = json!({ "sealed": "c2VjcmV0", "of": "ana" });
        let opened = json!({ "version": 1, "type": "room_opened", "data": {
            "room_id": "b1.1", "title": sealed, "host": "ana", "password_hash": "$argon2id$", "token_hash": "47DEQp",
            "future": [sealed, 1],
        } });
        // The shape of an earlier version, not encrypted.
        let posted = json!({ "version": 0, "type": "message_posted", "data": {
            "room_id": "b1.1", "author": "ana", "text": "hello", "reply_to": null,
        } });
        let commit = commit(&json!([opened, posted]));
        assert_eq!(sent(&commit, 0)["data"], json!({ "room_id": "b1.1", "host": "ana", "future": [1] }));
        assert_eq!(
            sent(&commit, 1)["data"],
            json!({
                "room_id": "b1.1", "author": "ana", "reply_to": null, "mentions": null, "mentions_all": false,
            })
        );
    }

    #[test]
    fn an_event_of_a_newer_release_is_not_sent() {
        let commit = commit(&json!([{ "version": 99, "type": "order_arrived", "data": {} }]));
        assert!(matches!(body(&commit, 0, "x"), Err(DecodeError::UnknownVersion { .. })));
    }

    #[test]
    fn all_stored_shapes_of_box_events_can_be_sent() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/event-store/fixtures");
        let mut count = 0;
        for file in fs::read_dir(folder).unwrap() {
            let event: Value = serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap();
            if event["type"].as_str().is_some_and(|name| BoxEvent::TYPES.contains(&name)) {
                let data = sent(&commit(&json!([event])), 0)["data"].to_string();
                let text = ["dumplings", "Lunch", "$argon"].into_iter().find(|text| data.contains(text));
                assert_eq!(text, None, "{event}");
                count += 1;
            }
        }
        assert!(count > BoxEvent::TYPES.len(), "{count}");
    }
}
