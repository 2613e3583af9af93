//! The log as the rest of this crate sees it: append under a guard, read, follow; on a server or in memory.

use std::{borrow::Cow, sync::Arc, time::Duration};

use async_nats::HeaderMap;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{
    FutureExt,
    future::{BoxFuture, ready},
    stream::BoxStream,
};

use crate::{headers::StoredHeaders, jetstream::BulkReader, keys::KeyError, space::Lack, stream::StreamName};

/// What a log answers, some time later.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, LogError>>;

/// A log of streams, each a sequence of messages. Shared by everything that reads or appends; never knows what the messages mean.
pub trait Log: Send + Sync + 'static {
    /// Tries once to append one message, or several as one atomic batch, and waits this long for the answer.
    /// What the answers mean together is decided by [`append`](crate::append::append).
    fn attempt<'a>(&'a self, messages: &'a [NewMessage], patience: Duration) -> BoxFuture<'a, Attempt>;

    /// The messages as they are to be attempted: what is personal in them is sealed, if this log seals. Not repeated for a
    /// second attempt, so that all of one append are the same.
    fn seal<'a>(&'a self, messages: &'a [NewMessage]) -> BoxFuture<'a, Result<Cow<'a, [NewMessage]>, SealError>> {
        ready(Ok(Cow::Borrowed(messages))).boxed()
    }

    /// The same log with what is sealed left sealed, if this one opens it: for readers who need not know what is said.
    fn as_stored(&self) -> Option<Arc<dyn Log>> {
        None
    }

    /// The last message on a subject.
    fn last<'a>(&'a self, stream: StreamName, subject: &'a str, from: Freshness) -> Answer<'a, Option<Recorded>>;

    /// The message at a sequence.
    fn get(&self, stream: StreamName, sequence: u64, from: Freshness) -> Answer<'_, Option<Recorded>>;

    /// Messages in order; fewer than asked for means that there are no more, or that the limits were reached.
    /// Empty when nothing is there (or not yet, on a replica).
    fn read<'a>(&'a self, range: Range<'a>) -> Answer<'a, Vec<Recorded>>;

    /// A faster way to read much of a stream, if there is one.
    fn bulk(&self) -> Option<BulkReader> {
        None
    }

    /// The sequence of the first message that was stored at or after this time; one past the last if there is none.
    fn first_since(&self, stream: StreamName, time: DateTime<Utc>) -> Answer<'_, u64>;

    /// What the leader knows of a stream.
    fn state(&self, stream: StreamName) -> Answer<'_, StreamState>;

    /// What is being stored from now on. May lose messages at any time; the reader heals that with [`Log::read`].
    fn notices(&self, stream: StreamName) -> Answer<'_, BoxStream<'static, Recorded>>;

    /// Waits until the server can be reached, for a short time.
    fn reachable(&self) -> Answer<'_, ()>;
}

/// Whom to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Any replica: fast, possibly stale.
    AnyReplica,
    /// The leader: never behind an acknowledged append.
    Leader,
}

/// Which messages to read.
#[derive(Debug, Clone, Copy)]
pub struct Range<'a> {
    /// Of which stream.
    pub stream: StreamName,
    /// From which sequence on.
    pub from: u64,
    /// On which subject only; slow on a large stream.
    pub subject: Option<&'a str>,
    /// How many at most.
    pub max_messages: usize,
    /// How many bytes, about; at least one message is read.
    pub max_bytes: usize,
}

/// A message that is to be appended.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// To which stream.
    pub stream: StreamName,
    /// On which subject.
    pub subject: String,
    /// A second message with the same id is not stored (within the stream's duplicate window).
    pub message_id: Option<String>,
    /// Under which condition.
    pub guard: Option<Guard>,
    /// Its own headers, without those of the fields above.
    pub headers: HeaderMap,
    /// Its content.
    pub payload: Bytes,
}

/// The last sequence that a subject must have for an append to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// Which subject, if not the message's own. Always a literal one: in a cluster a wildcard does not hold.
    pub subject: Option<String>,
    /// The sequence; 0 means that the subject has no message.
    pub sequence: u64,
}

/// A message as it stands in the log.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// In which stream.
    pub stream: StreamName,
    /// Its sequence there, from 1.
    pub sequence: u64,
    /// On which subject.
    pub subject: String,
    /// Its headers.
    pub headers: StoredHeaders,
    /// Its content.
    pub payload: Bytes,
    /// When the server stored it.
    pub stored_at: DateTime<Utc>,
}

impl Recorded {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }
}

/// A stream as its leader describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamState {
    /// Which life of the stream: renewed when a log is restored.
    pub incarnation: String,
    /// When the stream was created on this server.
    pub created: DateTime<Utc>,
    /// The first sequence that is there.
    pub first_sequence: u64,
    /// The last sequence; 0 if nothing was ever stored.
    pub last_sequence: u64,
    /// How many partitions the log was created with.
    pub partitions: Option<u16>,
}

/// The answer to one attempt to append.
#[derive(Debug)]
pub enum Attempt {
    /// Stored; of a batch, the sequence of its last message.
    Stored {
        /// Where.
        sequence: u64,
    },
    /// Not stored, because a message with this id is there already.
    Duplicate {
        /// Where that one is: not necessarily ours.
        sequence: u64,
    },
    /// The guard does not hold.
    WrongLastSequence,
    /// Another append under this guard or with this id is in flight, or too many batches are.
    Busy,
    /// The batch holds an id that is there already.
    KnownIdInBatch,
    /// The server has refused it for want of space: this attempt has stored nothing.
    Full(Lack),
    /// The server has answered a later message to the same stream, and this one with nothing: it could not write to its
    /// disk. Only the log tells for certain that nothing was stored.
    Dropped,
    /// The server will never take this.
    Rejected {
        /// The server's error code.
        code: u64,
        /// What it said.
        description: String,
    },
    /// Nobody knows whether it was stored.
    Unknown {
        /// What went wrong.
        reason: String,
    },
    /// It was certainly not sent, because there is no connection.
    NotSent,
}

/// Why something cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Whose it is was erased: nothing of theirs is stored any more.
    #[error("the user was erased")]
    Erased,
    /// The key cannot be had.
    #[error(transparent)]
    Key(KeyError),
    /// The cipher failed.
    #[error("a value could not be sealed")]
    Cipher,
}

/// Why a log could not answer.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The server is not there, or slow.
    #[error("the log cannot be reached: {0}")]
    Unavailable(String),
    /// The stream is not there. It is never created by a service: a fresh one would hide a damaged store.
    #[error("the stream {0} is absent: provision the log, or restore it if it was there before")]
    Absent(StreamName),
    /// The server answered what was not expected.
    #[error("the log answered {code}: {description}")]
    Rejected {
        /// The server's error code.
        code: u64,
        /// What it said.
        description: String,
    },
    /// What is stored is not what can have been stored.
    #[error("the log is damaged at {stream} {sequence}: {reason}")]
    Corrupt {
        /// In which stream.
        stream: StreamName,
        /// At which sequence.
        sequence: u64,
        /// What is wrong.
        reason: String,
    },
}
