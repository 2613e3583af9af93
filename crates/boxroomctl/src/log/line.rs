//! The events of a stored commit, each as one line.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use event_store::{
    codec::envelope::header,
    log::{Recorded, history::event_types},
};
use serde::Serialize;
use serde_json::{Map, Value};

/// The replacement of a hidden value.
const HIDDEN: &str = "[hidden]";

/// The replacement of an encrypted value that the key of its owner does not decrypt.
const UNREADABLE: &str = "[unreadable]";

/// The fields with personal text or secrets. The log may hold them unencrypted.
const PERSONAL: [&str; 7] = ["body", "nickname", "password_hash", "push_token", "target", "time_zone", "title"];

/// One event.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    stream: String,
    pub(super) sequence: u64,
    at: DateTime<Utc>,
    actor: String,
    role: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    version: Option<u64>,
    fields: Map<String, Value>,
}

/// Returns the events of a commit. A commit that is not JSON is one event without fields.
pub(super) fn lines(recorded: &Recorded, values: bool) -> Vec<Line> {
    let text = |name| recorded.header(name).unwrap_or_default().to_owned();
    let occurred = DateTime::parse_from_rfc3339(&text(header::OCCURRED_AT)).map(|at| at.to_utc());
    let line = |kind: String, version: Option<u64>, mut fields: Map<String, Value>| {
        for (name, value) in &mut fields {
            protect(name, value, values);
        }
        Line {
            stream: recorded.stream.label(),
            sequence: recorded.sequence,
            at: occurred.unwrap_or(recorded.stored_at),
            actor: text(header::ACTOR),
            role: recorded.header(header::ACTOR_ROLE).map(str::to_owned),
            kind,
            version,
            fields,
        }
    };
    let events = match serde_json::from_slice(&recorded.payload) {
        Ok(Value::Object(mut commit)) => commit.remove("events"),
        _ => None,
    };
    let Some(Value::Array(events)) = events else {
        return vec![line(event_types(recorded).join(","), None, Map::new())];
    };
    let event = |event: Value| {
        let Value::Object(mut event) = event else { return line("?".to_owned(), None, Map::new()) };
        let Some(Value::Object(fields)) = event.remove("data") else {
            return line(kind_of(&event), version_of(&event), Map::new());
        };
        line(kind_of(&event), version_of(&event), fields)
    };
    events.into_iter().map(event).collect()
}

fn kind_of(event: &Map<String, Value>) -> String {
    event.get("type").and_then(Value::as_str).unwrap_or("?").to_owned()
}

fn version_of(event: &Map<String, Value>) -> Option<u64> {
    event.get("version").and_then(Value::as_u64)
}

/// Replaces personal text and values that are still encrypted.
fn protect(name: &str, value: &mut Value, values: bool) {
    match value {
        Value::Object(parts) if parts.contains_key("sealed") => {
            *value = if values { UNREADABLE } else { HIDDEN }.into();
        }
        Value::Object(parts) => parts.iter_mut().for_each(|(name, value)| protect(name, value, values)),
        Value::Array(items) => items.iter_mut().for_each(|value| protect(name, value, values)),
        Value::String(_) if !values && PERSONAL.contains(&name) => *value = HIDDEN.into(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let actor = self.role.as_ref().map_or_else(|| self.actor.clone(), |role| format!("{role} {}", self.actor));
        write!(f, "{:>8}  {at}  {actor:<24} {}", self.sequence, self.kind)?;
        for (name, value) in &self.fields {
            write!(f, " {name}={}", written(value))?;
        }
        Ok(())
    }
}

/// Writes a value for a terminal: quoted and escaped unless it is a plain word.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && text.bytes().all(is_plain) => text.clone(),
        Value::String(text) => format!("{text:?}"),
        value => value.to_string(),
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'=')
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wire::StreamName;

    use super::*;

    fn recorded(payload: impl Into<Vec<u8>>) -> Recorded {
        let mut headers = async_nats::HeaderMap::new();
        for (name, value) in [
            (header::ACTOR, "ana"),
            (header::ACTOR_ROLE, "user"),
            (header::OCCURRED_AT, "2026-11-21T12:00:00.123Z"),
            (header::EVENT_TYPES, "room_opened,message_posted"),
        ] {
            headers.insert(name, value);
        }
        Recorded {
            stream: StreamName::Box(2),
            sequence: 7,
            subject: "box.2.b1.talk".to_owned(),
            headers: headers.into(),
            payload: payload.into().into(),
            stored_at: DateTime::UNIX_EPOCH,
        }
    }

    fn commit() -> Recorded {
        let sealed = json!({ "sealed": "c2VjcmV0", "of": "ana" });
        let events = json!([
            {
                "version": 1,
                "type": "room_opened",
                "data": { "room_id": "b1.1", "title": sealed, "password_hash": "$argon" },
            },
            {
                "version": 1,
                "type": "message_posted",
                "data": { "author": "ana", "body": "hi\u{1b}[2J", "reply_to": null },
            },
        ]);
        recorded(json!({ "events": events, "state": { "version": 1 } }).to_string())
    }

    #[test]
    fn a_damaged_commit_has_a_line_for_each_part() {
        let kinds =
            |payload: &str| lines(&recorded(payload), true).into_iter().map(|line| line.kind).collect::<Vec<_>>();
        assert_eq!(kinds("not JSON"), ["room_opened,message_posted"]);
        assert_eq!(kinds(r#"{"state":{}}"#), ["room_opened,message_posted"]);
        assert_eq!(kinds(r#"{"events":[7,{"type":"door_opened"},{}]}"#), ["?", "door_opened", "?"]);
    }

    #[test]
    fn personal_text_is_hidden() {
        let shown: Vec<String> = lines(&commit(), false).iter().map(ToString::to_string).collect();
        let before = "       7  2026-11-21T12:00:00.123Z  user ana                 ";
        assert_eq!(
            shown,
            [
                format!("{before}room_opened password_hash=[hidden] room_id=b1.1 title=[hidden]"),
                format!("{before}message_posted author=ana body=[hidden] reply_to=null"),
            ]
        );
    }

    #[test]
    fn shown_text_cannot_control_the_terminal_and_undecrypted_values_are_marked() {
        let shown: Vec<String> = lines(&commit(), true).iter().map(ToString::to_string).collect();
        assert!(shown[0].ends_with("password_hash=$argon room_id=b1.1 title=[unreadable]"), "{}", shown[0]);
        assert!(shown[1].contains(r#"body="hi\u{1b}[2J""#), "{}", shown[1]);
    }

    #[test]
    fn json_has_one_object_per_event() {
        let shown = serde_json::to_value(lines(&commit(), false)).unwrap();
        assert_eq!(
            shown[1],
            json!({
                "stream": "box-2", "sequence": 7, "at": "2026-11-21T12:00:00.123Z", "actor": "ana", "role": "user",
                "type": "message_posted", "version": 1,
                "fields": { "author": "ana", "body": "[hidden]", "reply_to": null },
            })
        );
    }

    #[test]
    fn an_unreadable_commit_is_one_line_and_one_without_events_is_none() {
        let unreadable = lines(&recorded("not JSON: hello"), false);
        assert_eq!(unreadable.len(), 1);
        assert!(unreadable[0].to_string().ends_with("room_opened,message_posted"), "{}", unreadable[0]);
        assert!(lines(&recorded(r#"{"events":[],"state":{}}"#), false).is_empty());
    }
}
