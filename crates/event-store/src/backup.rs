//! The log's streams on their way out of a server: which ones, in which order, and piece by piece.

use std::{sync::atomic::Ordering, time::Duration};

use async_nats::{Client, Request, Subscriber, jetstream::ErrorCode};
use bytes::Bytes;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    accounts_kv::ACCOUNTS_BUCKET,
    jetstream::OWNER_API_PREFIX,
    keys::KEYS_BUCKET,
    provision::ProvisionError,
    stream::{StreamName, metadata},
};

/// Fits into the server's largest message.
const CHUNK_BYTES: usize = 128 * 1024;

/// How long a server may take for what reads a whole stream.
pub(crate) const WHOLE_STREAM: Duration = Duration::from_mins(10);

/// How long a server may take for anything else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The status of the message that ends a copy; that of a short one has none.
const COMPLETE: u16 = 204;

/// A stream's settings and its extent, both as the server describes them: nothing of it is lost because this build does
/// not know it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// The settings.
    pub config: Value,
    /// From where to where it goes.
    pub state: Value,
}

/// Why streams could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The server is not there, or slow.
    #[error("the server does not answer about {stream}: {reason}")]
    Unavailable {
        /// The stream in question.
        stream: String,
        /// What was noticed.
        reason: String,
    },
    /// The server refused.
    #[error("the server refuses {stream}: {description} ({code})")]
    Refused {
        /// The stream in question.
        stream: String,
        /// The server's error code.
        code: u64,
        /// What it said.
        description: String,
    },
    /// What arrived is not whole.
    #[error("{stream} was not copied whole: {reason}")]
    Incomplete {
        /// The stream in question.
        stream: String,
        /// What is missing.
        reason: String,
    },
    /// There is something already where the log shall come back.
    #[error("{stream} is there already: a log is only restored to where none is")]
    Occupied {
        /// The first stream that is there.
        stream: String,
    },
    /// There is no log to copy.
    #[error("there is no log: {stream} is absent, or does not say how many partitions there are")]
    NoLog {
        /// The stream in question.
        stream: String,
    },
    /// What is not copied could not be created.
    #[error("the rest of the log cannot be provisioned")]
    Provision(#[from] ProvisionError),
}

/// The streams of a log in the order in which they are to be copied while commands go on: what refers comes before what
/// it refers to. A marker names a message of a box; boxes name users and stores; a room was given its deadline before
/// it was opened. A user without an account could never get one, an account without its user is completed by
/// registering again. Keys come last of all that is sealed under them. Tickets are not copied: they live for half a
/// minute. Sessions, public keys and revocations are not either: a restore ends all sessions, and command-services
/// publish their keys again.
pub fn copied_streams(partitions: u16) -> Vec<String> {
    let boxes = (0..partitions).map(|partition| StreamName::Box(partition).on_server());
    let mut all = vec![StreamName::Mark.on_server()];
    all.extend(boxes);
    all.extend([StreamName::Store.on_server(), StreamName::User.on_server(), format!("KV_{ACCOUNTS_BUCKET}")]);
    all.extend([stream_of_keys(), StreamName::Timer.on_server()]);
    all
}

/// The stream that backups of versions without keys of users do not hold.
pub fn stream_of_keys() -> String {
    format!("KV_{KEYS_BUCKET}")
}

/// How many partitions the log has; `owner` is connected with the account that owns it.
pub async fn partitions(owner: &Client) -> Result<u16, BackupError> {
    let stream = StreamName::User.on_server();
    let info = info(owner, &stream).await?;
    let count = info.and_then(|info| info["config"]["metadata"][metadata::PARTITIONS].as_str()?.parse().ok());
    count.ok_or(BackupError::NoLog { stream })
}

/// A copy of one stream as it arrives.
#[derive(Debug)]
pub struct Snapshot {
    /// Settings and extent of the stream.
    pub layout: Layout,
    stream: String,
    owner: Client,
    chunks: Subscriber,
    /// How many numbered pieces have come.
    count: u64,
    /// How many connections there had been when it began.
    connections: u64,
}

/// Begins to copy a stream, whose messages the server checks first. Without its consumers: which deadlines were settled
/// may be newer than the boxes' copies, and one that comes again does no harm.
pub async fn snapshot(owner: &Client, stream: &str) -> Result<Snapshot, BackupError> {
    let (inbox, connections) = (owner.new_inbox(), connections(owner));
    let chunks = owner.subscribe(inbox.clone()).await.map_err(|error| unavailable(stream, error))?;
    let request = json!({ "deliver_subject": inbox, "chunk_size": CHUNK_BYTES, "no_consumers": true, "jsck": true });
    let answer = ask(owner, "STREAM.SNAPSHOT", stream, &request, WHOLE_STREAM).await?;
    let layout = Layout { config: answer["config"].clone(), state: answer["state"].clone() };
    Ok(Snapshot { layout, stream: stream.to_owned(), owner: owner.clone(), chunks, count: 0, connections })
}

impl Snapshot {
    /// The next piece; nothing at the end, which only a complete copy reaches.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BackupError> {
        let incomplete = |reason: &str| BackupError::Incomplete { stream: self.stream.clone(), reason: reason.into() };
        let arrived = timeout(PATIENCE, self.chunks.next()).await.map_err(|_| incomplete("the server fell silent"))?;
        let chunk = arrived.ok_or_else(|| incomplete("the connection is closed"))?;
        if chunk.payload.is_empty() {
            // Every other end has another status. What was on its way when a connection broke never comes.
            return match chunk.status.filter(|status| status.as_u16() != COMPLETE) {
                None if connections(&self.owner) == self.connections => Ok(None),
                None => Err(incomplete("the connection broke")),
                Some(status) => Err(incomplete(&format!("the server broke off with {status}"))),
            };
        }
        // A piece's number is the last token; the last piece of all has none.
        if let Some(reply) = chunk.reply {
            self.count += 1;
            if reply.rsplit('.').next() != Some(self.count.to_string().as_str()) {
                return Err(incomplete("a piece is missing"));
            }
            self.owner.publish(reply, Bytes::new()).await.map_err(|error| unavailable(&self.stream, error))?;
        }
        Ok(Some(chunk.payload))
    }
}

impl Layout {
    /// How many messages the stream had when its copy began.
    pub fn messages(&self) -> u64 {
        self.state["messages"].as_u64().unwrap_or_default()
    }

    /// The last sequence that the stream had when its copy began.
    pub fn last_sequence(&self) -> u64 {
        self.state["last_seq"].as_u64().unwrap_or_default()
    }

    /// Which life of the stream, if it has lives.
    pub fn incarnation(&self) -> Option<&str> {
        self.config["metadata"][metadata::INCARNATION].as_str()
    }
}

/// What the server says of a stream; nothing if it is not there.
pub(crate) async fn info(owner: &Client, stream: &str) -> Result<Option<Value>, BackupError> {
    match ask(owner, "STREAM.INFO", stream, &json!({}), PATIENCE).await {
        Ok(info) => Ok(Some(info)),
        Err(BackupError::Refused { code, .. }) if code == ErrorCode::STREAM_NOT_FOUND.0 => Ok(None),
        Err(error) => Err(error),
    }
}

/// A request about a stream to the server's API.
pub(crate) async fn ask(
    owner: &Client,
    operation: &str,
    stream: &str,
    body: &Value,
    patience: Duration,
) -> Result<Value, BackupError> {
    send(owner, format!("{OWNER_API_PREFIX}.{operation}.{stream}"), stream, body.to_string().into(), patience).await
}

/// Any request about a stream; an answer without content is none.
pub(crate) async fn send(
    owner: &Client,
    subject: String,
    stream: &str,
    payload: Bytes,
    patience: Duration,
) -> Result<Value, BackupError> {
    let request = Request::new().payload(payload).timeout(Some(patience));
    let answer = owner.send_request(subject, request).await.map_err(|error| unavailable(stream, error))?;
    if answer.payload.is_empty() {
        return Ok(Value::Null);
    }
    let answer: Value = serde_json::from_slice(&answer.payload)
        .map_err(|_| unavailable(stream, String::from_utf8_lossy(&answer.payload)))?;
    match answer.get("error") {
        Some(error) => Err(BackupError::Refused {
            stream: stream.to_owned(),
            code: error["err_code"].as_u64().unwrap_or_default(),
            description: error["description"].as_str().unwrap_or("no reason given").to_owned(),
        }),
        None => Ok(answer),
    }
}

/// How many connections the client has had, one after the other.
fn connections(owner: &Client) -> u64 {
    owner.statistics().connects.load(Ordering::Relaxed)
}

fn unavailable(stream: &str, reason: impl std::fmt::Display) -> BackupError {
    BackupError::Unavailable { stream: stream.to_owned(), reason: reason.to_string() }
}
