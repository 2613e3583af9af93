//! The commit: one stored message of 1..n events of one aggregate.

use std::ops::RangeInclusive;

use async_nats::HeaderMap;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use domain::{MessageId, UserId, values::Reason};
use memchr::memmem;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use wire::{Source, StreamName, subject::hex};

use crate::{
    codec::{
        actor::ActorRole,
        headers::StoredHeaders,
        upcast::{DecodeError, StoredEvent, decode_event, decode_fields, type_of},
    },
    log::{Recorded, damage::Damage},
    marks::event::MarkEvent,
};

/// Names of headers. Stored; never rename.
pub mod header {
    /// The id of the commit, new for every decision.
    pub const COMMIT_ID: &str = "Commit-Id";
    /// The types of the commit's events, in order, separated by commas.
    pub const EVENT_TYPES: &str = "Event-Types";
    /// The version of the envelope's own shape.
    pub const SCHEMA: &str = "Envelope-Schema";
    /// The client's id of the command (`Idempotency-Key`), if it gave one.
    pub const COMMAND_ID: &str = "Command-Id";
    /// The keyed hash of the client's request.
    pub const REQUEST_HASH: &str = "Request-Hash";
    /// The id of the actor who sent the command.
    pub const ACTOR: &str = "Actor";
    /// The role of the actor. Absent in commits of releases that did not record it.
    pub const ACTOR_ROLE: &str = "Actor-Role";
    /// The time at which the command was received.
    pub const OCCURRED_AT: &str = "Occurred-At";
    /// The reason for the command, as an operator or a moderator gave it.
    pub const REASON: &str = "Reason";
    /// W3C trace context.
    pub const TRACEPARENT: &str = "traceparent";
}

/// The beginning of an encrypted value in a payload. An event with one cannot be decoded before it is decrypted.
/// Stored; never change.
pub const SEALED: &[u8] = br#"{"sealed":""#;

/// The version of the envelope's shape. There is only one so far.
const ENVELOPE_SCHEMA: &str = "1";

/// A keyed hash of method, path and body of a request. It distinguishes a repeat from another use of the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestHash([u8; 16]);

impl RequestHash {
    /// Returns the hash of these parts under the installation's secret. It is keyed because bodies hold passwords.
    pub fn keyed(secret: &[u8], parts: &[&[u8]]) -> Self {
        use hmac::{Hmac, KeyInit, Mac};
        let mut mac = <Hmac<sha2::Sha256> as KeyInit>::new_from_slice(secret)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        for part in parts {
            // The lengths distinguish ("ab", "c") from ("a", "bc").
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let digest = mac.finalize().into_bytes();
        let mut hash = [0; 16];
        hash.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(hash)
    }

    pub(crate) fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// Parses the form that is displayed.
    pub fn parse(text: &str) -> Option<Self> {
        let value = (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok()).flatten()?;
        Some(Self(value.to_be_bytes()))
    }
}

impl std::fmt::Display for RequestHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// The circumstances of a command. Aggregates do not see them: they go into the commit's headers.
#[derive(Debug, Clone)]
pub struct CommandContext {
    /// The client's `Idempotency-Key`: 1 to 64 visible characters.
    pub command_id: Option<String>,
    /// The keyed hash of the request.
    pub request_hash: RequestHash,
    /// The id of the actor who sent the command.
    pub actor: UserId,
    /// The role of the actor. Principals with the same id in different roles are unrelated.
    pub role: ActorRole,
    /// The time at which the command was received.
    pub at: DateTime<Utc>,
    /// W3C trace context, if the command is traced.
    pub traceparent: Option<String>,
    /// The reason for a command of an operator or a moderator on users and rooms.
    pub reason: Option<Reason>,
}

#[derive(Serialize)]
struct Envelope<'a, E, S> {
    events: Vec<EventOut<'a, E>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<StateOut<'a, S>>,
}

#[derive(Serialize)]
struct EventOut<'a, E> {
    version: u32,
    #[serde(flatten)]
    event: &'a E,
}

#[derive(Serialize)]
struct StateOut<'a, S> {
    version: u32,
    data: &'a S,
}

#[derive(Deserialize)]
struct EnvelopeIn<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
    #[serde(borrow)]
    state: Option<StateIn<'a>>,
}

#[derive(Deserialize)]
struct StateIn<'a> {
    version: u32,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Returns the headers and the payload of a commit.
pub(crate) fn encode<E: StoredEvent, S: Serialize>(
    commit_id: &str,
    events: &[E],
    state: Option<(u32, &S)>,
    context: &CommandContext,
) -> Result<(HeaderMap, Bytes), DecodeError> {
    let envelope = Envelope {
        events: events.iter().map(|event| EventOut { version: E::version_of(&event.event_type()), event }).collect(),
        state: state.map(|(version, data)| StateOut { version, data }),
    };
    let payload = serde_json::to_vec(&envelope).map_err(DecodeError::json)?;
    let types: Vec<String> = events.iter().map(cqrs_es::DomainEvent::event_type).collect();
    let mut headers = HeaderMap::new();
    let mut put = |name: &'static str, value: &str| headers.insert(name, value);
    put(header::COMMIT_ID, commit_id);
    if !types.is_empty() {
        put(header::EVENT_TYPES, &types.join(","));
    }
    put(header::SCHEMA, ENVELOPE_SCHEMA);
    put(header::REQUEST_HASH, &context.request_hash.to_string());
    put(header::ACTOR, context.actor.as_str());
    put(header::ACTOR_ROLE, context.role.as_str());
    put(header::OCCURRED_AT, &context.at.to_rfc3339_opts(SecondsFormat::Millis, true));
    if let Some(id) = context.command_id.as_deref().filter(|id| is_visible(id)) {
        put(header::COMMAND_ID, id);
    }
    if let Some(traceparent) = context.traceparent.as_deref().filter(|text| is_visible(text)) {
        put(header::TRACEPARENT, traceparent);
    }
    if let Some(reason) = &context.reason {
        // It has one line, so it can be a header's value unescaped.
        put(header::REASON, reason.as_str());
    }
    Ok((headers, payload.into()))
}

/// Returns true if the text can be a header's value unescaped: not empty, visible ASCII characters only.
pub(crate) fn is_visible(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A commit as read from the log. Its events are decoded on demand.
#[derive(Debug, Clone)]
pub struct RecordedCommit {
    /// The stream that holds it.
    pub stream: StreamName,
    /// Its sequence in the stream, from 1.
    pub sequence: u64,
    /// The subject's source: aggregate and lane.
    pub source: Source,
    /// Its id.
    pub commit_id: String,
    /// The client's id of the command.
    pub command_id: Option<String>,
    /// The id of the actor who sent the command.
    pub actor: UserId,
    /// The role of the actor. None if an earlier release wrote the commit.
    pub role: Option<ActorRole>,
    /// The time at which the command was received, by the clock of the receiving process.
    pub at: DateTime<Utc>,
    /// The time at which the server stored the commit, by the server's clock.
    pub stored_at: DateTime<Utc>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// The reason for the command, if it has one.
    pub reason: Option<String>,
    /// The keyed hash of the request.
    pub request_hash: Option<RequestHash>,
    /// The events and the state, as stored.
    pub payload: Bytes,
    pub(crate) message_id: Option<String>,
    /// The number of events for batch limits: at least 1, also for a commit without events.
    pub(crate) event_count: usize,
    malformed: Option<&'static str>,
    /// The schema of the envelope, if it is a later one.
    newer_schema: Option<u32>,
}

/// The headers of a commit, borrowed from its message.
#[derive(Default)]
struct Headers<'a> {
    event_types: Option<&'a str>,
    commit_id: Option<&'a str>,
    schema: Option<&'a str>,
    command_id: Option<&'a str>,
    request_hash: Option<&'a str>,
    actor: Option<&'a str>,
    role: Option<&'a str>,
    at: Option<&'a str>,
    traceparent: Option<&'a str>,
    reason: Option<&'a str>,
    message_id: Option<&'a str>,
}

impl<'a> Headers<'a> {
    fn of(headers: &'a StoredHeaders) -> Self {
        let mut found = Self::default();
        headers.each(|name, value| {
            let place = match name {
                header::EVENT_TYPES => &mut found.event_types,
                header::COMMIT_ID => &mut found.commit_id,
                header::SCHEMA => &mut found.schema,
                header::COMMAND_ID => &mut found.command_id,
                header::REQUEST_HASH => &mut found.request_hash,
                header::ACTOR => &mut found.actor,
                header::ACTOR_ROLE => &mut found.role,
                header::OCCURRED_AT => &mut found.at,
                header::TRACEPARENT => &mut found.traceparent,
                header::REASON => &mut found.reason,
                "Nats-Msg-Id" => &mut found.message_id,
                _ => return,
            };
            place.get_or_insert(value);
        });
        found
    }
}

/// The events of a commit.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// Events of a box, its rooms and its conversation.
    Box(Vec<domain::BoxEvent>),
    /// Events of a user.
    User(Vec<domain::UserEvent>),
    /// A nickname was claimed or released, or a slot for an open room was claimed.
    Claim,
    /// Events of a store.
    Store(Vec<domain::StoreEvent>),
    /// Events of the filters.
    Filters(Vec<domain::FilterEvent>),
    /// Events of a report.
    Report(Vec<domain::ReportEvent>),
    /// A user has read up to this message.
    Mark {
        /// The message.
        message_id: MessageId,
    },
}

impl RecordedCommit {
    /// Reads the headers. Errors that concern one box only are left to [`decode`](Self::decode), so that they stop that
    /// box only.
    pub fn parse(recorded: &Recorded) -> Result<Self, Damage> {
        let source = Source::parse(&recorded.subject).ok_or_else(|| Damage::Unreadable {
            stream: recorded.stream,
            sequence: recorded.sequence,
            reason: format!("the subject {} is not one of the log", recorded.subject),
        })?;
        let headers = Headers::of(&recorded.headers);
        let text = |value: Option<&str>| value.map(str::to_owned);
        let actor = headers.actor.and_then(|actor| actor.parse().ok());
        let at = headers.at.and_then(|at| at.parse().ok());
        let malformed = match (headers.schema, &actor, &at) {
            (Some(ENVELOPE_SCHEMA), Some(_), Some(_)) => None,
            (Some(ENVELOPE_SCHEMA), None, _) => Some("the header Actor"),
            (Some(ENVELOPE_SCHEMA), Some(_), None) => Some("the header Occurred-At"),
            _ => Some("the header Envelope-Schema"),
        };
        let schema = |text: &str| text.parse::<u32>().ok();
        let newer_schema = headers.schema.and_then(schema).filter(|newer| schema(ENVELOPE_SCHEMA) < Some(*newer));
        Ok(Self {
            commit_id: text(headers.commit_id).unwrap_or_default(),
            command_id: text(headers.command_id),
            traceparent: text(headers.traceparent),
            reason: text(headers.reason),
            message_id: text(headers.message_id),
            request_hash: headers.request_hash.and_then(RequestHash::parse),
            actor: actor.unwrap_or_else(UserId::system),
            role: headers.role.and_then(ActorRole::parse),
            at: at.unwrap_or(recorded.stored_at),
            stored_at: recorded.stored_at,
            event_count: headers.event_types.map_or(1, |types| types.split(',').count()),
            stream: recorded.stream,
            sequence: recorded.sequence,
            payload: recorded.payload.clone(),
            source,
            malformed,
            newer_schema,
        })
    }

    /// Decodes the events and upcasts them to the current shape.
    pub fn decode(&self) -> Result<Decoded, DecodeError> {
        self.check_schema()?;
        if let Some(what) = self.malformed {
            return Err(DecodeError::Header(what));
        }
        match &self.source {
            Source::Room { .. } | Source::Talk { .. } => self.events().map(Decoded::Box),
            Source::User { .. } => self.events().map(Decoded::User),
            Source::Store { .. } => self.events().map(Decoded::Store),
            Source::Filters => self.events().map(Decoded::Filters),
            Source::Report { .. } => self.events().map(Decoded::Report),
            Source::Claim => Ok(Decoded::Claim),
            Source::Mark { .. } => match self.events::<MarkEvent>()?.pop() {
                Some(MarkEvent::RoomRead { message_id }) => Ok(Decoded::Mark { message_id }),
                None => Err(DecodeError::Header("any event")),
            },
        }
    }

    fn check_schema(&self) -> Result<(), DecodeError> {
        self.newer_schema.map_or(Ok(()), |schema| Err(DecodeError::UnknownSchema(schema)))
    }

    pub(crate) fn events<E: StoredEvent>(&self) -> Result<Vec<E>, DecodeError> {
        let has_encrypted_values = || memmem::find(&self.payload, SEALED).is_some();
        self.read_events().map_err(|error| if has_encrypted_values() { DecodeError::NotDecrypted } else { error })
    }

    fn read_events<E: StoredEvent>(&self) -> Result<Vec<E>, DecodeError> {
        let envelope: EnvelopeIn<'_> = serde_json::from_slice(&self.payload).map_err(DecodeError::json)?;
        envelope.events.into_iter().map(|event| decode_event(event.get())).collect()
    }

    /// Returns the types of the events, of unknown ones too.
    pub fn event_types(&self) -> Result<Vec<String>, DecodeError> {
        self.check_schema()?;
        let envelope: EnvelopeIn<'_> = serde_json::from_slice(&self.payload).map_err(DecodeError::json)?;
        envelope.events.into_iter().map(|event| Ok(type_of(event.get())?.to_owned())).collect()
    }

    /// Returns the fields of one event of a box in the current shape, for readers without keys: encrypted values are as
    /// stored.
    pub fn fields_of_box_event(&self, index: usize) -> Result<serde_json::Value, DecodeError> {
        let envelope: EnvelopeIn<'_> = serde_json::from_slice(&self.payload).map_err(DecodeError::json)?;
        let event = envelope.events.get(index).ok_or(DecodeError::Header("the event"))?;
        decode_fields::<domain::BoxEvent>(event.get())
    }

    /// Returns the state after this commit, if the commit carries one of these versions.
    pub fn state<S: DeserializeOwned>(&self, versions: RangeInclusive<u32>) -> Option<S> {
        let envelope: EnvelopeIn<'_> = serde_json::from_slice(&self.payload).ok()?;
        let state = envelope.state.filter(|state| versions.contains(&state.version))?;
        serde_json::from_str(state.data.get()).ok()
    }
}

#[cfg(test)]
mod tests;
