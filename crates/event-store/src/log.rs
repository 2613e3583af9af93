//! The interface of the log: append under a guard, read, follow. Implemented on a server and in memory.

pub mod damage;
pub mod follow;
pub mod history;
pub mod jetstream;
pub mod memory;
pub mod verification;

use std::{borrow::Cow, error::Error, sync::Arc, time::Duration};

use async_nats::HeaderMap;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{
    FutureExt,
    future::{BoxFuture, ready},
    stream::BoxStream,
};
use storage::{SpaceLimit, Unavailable};
use wire::StreamName;

use crate::codec::headers::StoredHeaders;

/// The future answer of a log.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, LogError>>;

/// A log of streams, each a sequence of messages. Shared by all readers and writers. It does not interpret the
/// messages.
pub trait Log: Send + Sync + 'static {
    /// Tries once to append one message, or several as one atomic batch, and waits this long for the answer.
    /// [`append`](crate::executor::append::append) decides on the answers to all attempts together.
    fn attempt<'a>(&'a self, messages: &'a [NewMessage], limit: Duration) -> BoxFuture<'a, Attempt>;

    /// Encrypts the personal values of messages before they are appended, if this log encrypts. Called once for all
    /// attempts of an append, so that all of them send the same messages.
    fn encrypt<'a>(&'a self, messages: &'a [NewMessage]) -> BoxFuture<'a, Result<Cow<'a, [NewMessage]>, EncryptError>> {
        ready(Ok(Cow::Borrowed(messages))).boxed()
    }

    /// Returns the same log without decryption, if this one decrypts: for readers that do not need personal values.
    fn as_stored(&self) -> Option<Arc<dyn Log>> {
        None
    }

    /// Returns the last message on a subject.
    fn last<'a>(&'a self, stream: StreamName, subject: &'a str, from: Freshness) -> Answer<'a, Option<Recorded>>;

    /// Returns the message at a sequence.
    fn get(&self, stream: StreamName, sequence: u64, from: Freshness) -> Answer<'_, Option<Recorded>>;

    /// Returns messages in order. Fewer than requested means that there are no more, or that the limits were reached.
    /// Empty if there are none (or not yet, on a replica).
    fn read<'a>(&'a self, range: Range<'a>) -> Answer<'a, Vec<Recorded>>;

    /// Returns a faster reader for large parts of a stream, if there is one.
    fn bulk(&self) -> Option<Box<dyn BulkReader>> {
        None
    }

    /// Returns the sequence of the first message that was stored at or after this time. One past the last if there is
    /// none.
    fn first_since(&self, stream: StreamName, time: DateTime<Utc>) -> Answer<'_, u64>;

    /// Returns the leader's state of a stream.
    fn state(&self, stream: StreamName) -> Answer<'_, StreamState>;

    /// A stream of the messages that are stored from now on. Messages may be lost at any time. The reader recovers them
    /// with [`Log::read`].
    fn notifications(&self, stream: StreamName) -> Answer<'_, BoxStream<'static, Recorded>>;

    /// The number of the present connection to the server; none without one. Messages of
    /// [`Log::notifications`] may be lost between two connections.
    fn connection(&self) -> Option<u64> {
        Some(0)
    }

    /// Waits a short time until the server can be reached.
    fn reachable(&self) -> Answer<'_, ()>;
}

/// Reads large parts of a stream page by page. Must not be used after an error.
pub trait BulkReader: Send + 'static {
    /// Reads a page like [`Log::read`].
    fn read<'a>(&'a mut self, range: Range<'a>) -> Answer<'a, Vec<Recorded>>;
}

/// The source of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Any replica: fast, possibly stale.
    AnyReplica,
    /// The leader: never behind an acknowledged append.
    Leader,
}

/// The messages to read.
#[derive(Debug, Clone, Copy)]
pub struct Range<'a> {
    /// The stream.
    pub stream: StreamName,
    /// The first sequence.
    pub from: u64,
    /// The only subject, if given. Slow on a large stream.
    pub subject: Option<&'a str>,
    /// The maximum number of messages.
    pub max_messages: usize,
    /// The approximate maximum number of bytes. At least one message is read.
    pub max_bytes: usize,
}

/// A message to append.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The stream.
    pub stream: StreamName,
    /// The subject.
    pub subject: String,
    /// A second message with the same id is not stored (within the stream's duplicate window).
    pub message_id: Option<String>,
    /// The condition of the append.
    pub guard: Option<Guard>,
    /// The headers, without those of the fields above.
    pub headers: HeaderMap,
    /// The content.
    pub payload: Bytes,
}

/// The last sequence that a subject must have for an append to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The subject, if not the message's own. Always a literal one: in a cluster, wildcards are not checked.
    pub subject: Option<String>,
    /// The sequence; 0 means that the subject has no message.
    pub sequence: u64,
}

/// A message as stored in the log.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The stream.
    pub stream: StreamName,
    /// The sequence in the stream, from 1.
    pub sequence: u64,
    /// The subject.
    pub subject: String,
    /// The headers.
    pub headers: StoredHeaders,
    /// The content.
    pub payload: Bytes,
    /// The time at which the server stored it.
    pub stored_at: DateTime<Utc>,
}

impl Recorded {
    /// Returns a header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }
}

/// A stream as its leader describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamState {
    /// The incarnation of the stream. It changes when a log is restored.
    pub incarnation: String,
    /// The time at which the stream was created on this server.
    pub created: DateTime<Utc>,
    /// The first stored sequence.
    pub first_sequence: u64,
    /// The last sequence; 0 if nothing was ever stored.
    pub last_sequence: u64,
    /// The number of partitions with which the log was created.
    pub partitions: Option<u16>,
    /// True if messages of [`Log::notifications`] are lost only together with the connection.
    pub is_notified: bool,
}

/// The answer to one attempt to append.
#[derive(Debug)]
pub enum Attempt {
    /// Stored. For a batch, the sequence is that of its last message.
    Stored {
        /// The sequence.
        sequence: u64,
    },
    /// Not stored, because a message with this id exists.
    Duplicate {
        /// The sequence of the existing message, which is not necessarily from this append.
        sequence: u64,
    },
    /// The guard does not hold.
    WrongLastSequence,
    /// Another append under this guard or with this id is in flight, or too many batches are.
    Busy,
    /// The batch contains an id that exists.
    KnownIdInBatch,
    /// The server has rejected it for lack of space. This attempt has stored nothing.
    Full(SpaceLimit),
    /// The server has answered a later message to the same stream but not this one: it could not write to its disk.
    /// Only a read of the log shows whether it was stored.
    Dropped,
    /// The server will never accept this.
    Rejected {
        /// The server's error code.
        code: u64,
        /// The server's description of the error.
        description: String,
    },
    /// The outcome is unknown.
    Unknown {
        /// The error.
        reason: String,
    },
    /// It was certainly not sent, because there is no connection.
    NotSent,
}

/// The reasons for which a value cannot be encrypted.
#[derive(Debug, thiserror::Error)]
pub enum EncryptError {
    /// The owner of the value was erased. Values of erased users are not stored any more.
    #[error("the user was erased")]
    Erased,
    /// The server has no space for a new key.
    #[error("the keys of users have no space left: {0}")]
    Full(SpaceLimit),
    /// The key is not available.
    #[error(transparent)]
    Key(Box<dyn Error + Send + Sync>),
    /// The cipher failed.
    #[error("a value could not be encrypted")]
    Cipher,
}

impl From<Unavailable> for LogError {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// The reasons for which a log could not answer.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The server is unreachable or slow.
    #[error("the log cannot be reached: {0}")]
    Unavailable(String),
    /// The stream does not exist. Services never create it: an empty one would hide damage to the store.
    #[error("the stream {0} is absent: provision the log, or restore it if it was there before")]
    Absent(StreamName),
    /// The server returned an unexpected error.
    #[error("the log answered {code}: {description}")]
    Rejected {
        /// The server's error code.
        code: u64,
        /// The server's description of the error.
        description: String,
    },
    /// The stored message is damaged.
    #[error("the log is damaged at {stream} {sequence}: {reason}")]
    Corrupt {
        /// The stream.
        stream: StreamName,
        /// The sequence.
        sequence: u64,
        /// The damage.
        reason: String,
    },
}
