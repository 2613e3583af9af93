//! Copies the log's streams out of a server: which ones, in which order, and chunk by chunk.

use std::{sync::atomic::Ordering, time::Duration};

use async_nats::{Client, Request, Subscriber, jetstream::ErrorCode};
use bytes::Bytes;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::timeout;
use wire::{
    OWNER_API_PREFIX, StreamName,
    bucket::{self, ACCOUNTS_BUCKET, KEYS_BUCKET},
    stream::metadata,
};

use crate::topology::ProvisionError;

/// Fits into the server's maximum payload.
const CHUNK_BYTES: usize = 128 * 1024;

/// The timeout of operations that read a whole stream.
pub(crate) const STREAM_TIMEOUT: Duration = Duration::from_mins(10);

/// The timeout of all other operations.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The status of the message that ends a copy. The end of a short copy has none.
const COMPLETE: u16 = 204;

/// A stream's settings and state as the server describes them. Fields that this build does not know are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// The settings.
    pub config: Value,
    /// The first and last sequence, number of messages and so on.
    pub state: Value,
}

/// The reasons for which streams could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The server is unreachable or slow.
    #[error("the server does not answer about {stream}: {reason}")]
    Unavailable {
        /// The stream in question.
        stream: String,
        /// The error.
        reason: String,
    },
    /// The server refused.
    #[error("the server refuses {stream}: {description} ({code})")]
    Refused {
        /// The stream in question.
        stream: String,
        /// The server's error code.
        code: u64,
        /// The server's description of the error.
        description: String,
    },
    /// The received copy is incomplete.
    #[error("the copy of {stream} is incomplete: {reason}")]
    Incomplete {
        /// The stream in question.
        stream: String,
        /// The missing part.
        reason: String,
    },
    /// The target of a restore holds a stream already.
    #[error("{stream} is there already: a log can only be restored to a server without one")]
    Occupied {
        /// The first existing stream.
        stream: String,
    },
    /// There is no log to copy.
    #[error("there is no log: {stream} is absent, or does not record the number of partitions")]
    NoLog {
        /// The stream in question.
        stream: String,
    },
    /// The parts that are not copied could not be created.
    #[error("the rest of the log cannot be provisioned")]
    Provision(#[from] ProvisionError),
}

/// Returns the streams of a log in the order in which they are copied while commands go on: a referring stream comes
/// before the one that it refers to. A marker names a message of a box; boxes name users and stores; a room's deadline
/// is set before the room is opened. A user without an account could never get one, but an account without its user is
/// completed by registering again. Keys come after everything that is encrypted under them.
///
/// Tickets are not copied: they expire after half a minute. Neither are sessions, public keys and revocations: a
/// restore ends all sessions, and command-services publish their keys again.
pub fn copied_streams(partitions: u16) -> Vec<String> {
    let boxes = (0..partitions).map(|partition| StreamName::Box(partition).on_server());
    let mut all = vec![StreamName::Mark.on_server()];
    all.extend(boxes);
    all.extend([StreamName::Store.on_server(), StreamName::User.on_server(), bucket::stream(ACCOUNTS_BUCKET)]);
    all.extend([user_keys_stream(), StreamName::Timer.on_server()]);
    all
}

/// The stream of user keys. Backups of versions without user keys do not contain it.
pub fn user_keys_stream() -> String {
    bucket::stream(KEYS_BUCKET)
}

/// Returns the number of partitions of the log. `owner` is connected with the account that owns it.
pub async fn partitions(owner: &Client) -> Result<u16, BackupError> {
    let stream = StreamName::User.on_server();
    let info = info(owner, &stream).await?;
    let count = info.and_then(|info| info["config"]["metadata"][metadata::PARTITIONS].as_str()?.parse().ok());
    count.ok_or(BackupError::NoLog { stream })
}

/// A copy of one stream while it is received.
#[derive(Debug)]
pub struct Snapshot {
    /// Settings and state of the stream.
    pub layout: Layout,
    stream: String,
    owner: Client,
    chunks: Subscriber,
    /// The number of numbered chunks received.
    count: u64,
    /// The client's number of connects when the copy began.
    connections: u64,
}

/// Begins to copy a stream after the server has checked its messages. Consumers are not copied: their acknowledgements
/// may be newer than the boxes' copies, and a deadline that fires again does no harm.
pub async fn snapshot(owner: &Client, stream: &str) -> Result<Snapshot, BackupError> {
    let (inbox, connections) = (owner.new_inbox(), connections(owner));
    let chunks = owner.subscribe(inbox.clone()).await.map_err(|error| unavailable(stream, error))?;
    let request = json!({ "deliver_subject": inbox, "chunk_size": CHUNK_BYTES, "no_consumers": true, "jsck": true });
    let answer = call_api(owner, "STREAM.SNAPSHOT", stream, &request, STREAM_TIMEOUT).await?;
    let layout = Layout { config: answer["config"].clone(), state: answer["state"].clone() };
    Ok(Snapshot { layout, stream: stream.to_owned(), owner: owner.clone(), chunks, count: 0, connections })
}

impl Snapshot {
    /// Returns the next chunk. None marks the end of a complete copy.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BackupError> {
        let incomplete = |reason: &str| BackupError::Incomplete { stream: self.stream.clone(), reason: reason.into() };
        let arrived =
            timeout(REQUEST_TIMEOUT, self.chunks.next()).await.map_err(|_| incomplete("the server stopped sending"))?;
        let chunk = arrived.ok_or_else(|| incomplete("the connection is closed"))?;
        if chunk.payload.is_empty() {
            // Every other end has another status. Chunks in flight on a broken connection never arrive.
            return match chunk.status.filter(|status| status.as_u16() != COMPLETE) {
                None if connections(&self.owner) == self.connections => Ok(None),
                None => Err(incomplete("the connection was lost")),
                Some(status) => Err(incomplete(&format!("the server aborted with {status}"))),
            };
        }
        // A chunk's number is the last token of its reply subject. The very last chunk has none.
        if let Some(reply) = chunk.reply {
            self.count += 1;
            if reply.rsplit('.').next() != Some(self.count.to_string().as_str()) {
                return Err(incomplete("a chunk is missing"));
            }
            self.owner.publish(reply, Bytes::new()).await.map_err(|error| unavailable(&self.stream, error))?;
        }
        Ok(Some(chunk.payload))
    }
}

impl Layout {
    /// The number of messages in the stream when its copy began.
    pub fn messages(&self) -> u64 {
        self.state["messages"].as_u64().unwrap_or_default()
    }

    /// The last sequence that the stream had when its copy began.
    pub fn last_sequence(&self) -> u64 {
        self.state["last_seq"].as_u64().unwrap_or_default()
    }

    /// The incarnation of the stream, if it has one.
    pub fn incarnation(&self) -> Option<&str> {
        self.config["metadata"][metadata::INCARNATION].as_str()
    }
}

/// Returns the server's description of a stream. None if the stream does not exist.
pub(crate) async fn info(owner: &Client, stream: &str) -> Result<Option<Value>, BackupError> {
    match call_api(owner, "STREAM.INFO", stream, &json!({}), REQUEST_TIMEOUT).await {
        Ok(info) => Ok(Some(info)),
        Err(BackupError::Refused { code, .. }) if code == ErrorCode::STREAM_NOT_FOUND.0 => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sends a request about a stream to the server's API.
pub(crate) async fn call_api(
    owner: &Client,
    operation: &str,
    stream: &str,
    body: &Value,
    limit: Duration,
) -> Result<Value, BackupError> {
    send(owner, format!("{OWNER_API_PREFIX}.{operation}.{stream}"), stream, body.to_string().into(), limit).await
}

/// Sends any request about a stream. An empty answer is returned as null.
pub(crate) async fn send(
    owner: &Client,
    subject: String,
    stream: &str,
    payload: Bytes,
    limit: Duration,
) -> Result<Value, BackupError> {
    let request = Request::new().payload(payload).timeout(Some(limit));
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

/// The number of connects of the client.
fn connections(owner: &Client) -> u64 {
    owner.statistics().connects.load(Ordering::Relaxed)
}

fn unavailable(stream: &str, reason: impl std::fmt::Display) -> BackupError {
    BackupError::Unavailable { stream: stream.to_owned(), reason: reason.to_string() }
}
