//! Read markers: the last message that a user has read in a room. A marker only moves forward.
//!
//! A marker is an aggregate of its own: the scope of a key is the reader and the marker.

pub(crate) mod event;
pub(crate) mod keys;

use std::sync::Arc;

use domain::{MessageId, Position, RoomId, UserId};
use tokio::sync::OnceCell;
use wire::{
    StreamName,
    subject::{self, hex},
};

use crate::{
    codec::{
        envelope::{CommandContext, Decoded, RecordedCommit, encode},
        upcast::DecodeError,
    },
    executor::append::{AppendError, RetryPolicy, append},
    log::{Freshness, Guard, Log, LogError, NewMessage, Recorded},
    marks::{
        event::MarkEvent,
        keys::{KeyUse, MarkKeys},
    },
};

/// The number of tries to move a marker under concurrent moves.
const ATTEMPTS: usize = 8;

/// The reasons for which a marker was not moved.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// The append failed.
    #[error("the marker could not be moved")]
    Append(#[from] AppendError),
    /// The marker could not be read.
    #[error("the marker could not be read")]
    Log(#[from] LogError),
    /// The stored value is not a marker.
    #[error("the marker could not be decoded")]
    Decode(#[from] DecodeError),
    /// The idempotency key was used for another move of this marker.
    #[error("the idempotency key was used for another request")]
    KeyReused,
}

/// The marker is at the command's message or further.
#[derive(Debug, PartialEq, Eq)]
pub struct Marked {
    /// A position of the log at which this holds.
    pub position: Position,
    /// True if the command is a repeat.
    pub replayed: bool,
}

/// The read markers of all rooms.
pub struct Marks {
    log: Arc<dyn Log>,
    partitions: u16,
    incarnation: OnceCell<String>,
}

impl Marks {
    /// Creates a handle to the markers of this log.
    pub fn new(log: Arc<dyn Log>, partitions: u16) -> Self {
        Self { log, partitions, incarnation: OnceCell::new() }
    }

    /// Moves a user's marker to a message. A marker that is already there or further stays. A keyed command is recorded
    /// also if it changes nothing, until eight more keyed ones follow. Returns the position at which the marker is
    /// there or further. The caller checks that the user may read the room.
    pub async fn mark(
        &self,
        room_id: &RoomId,
        user_id: &UserId,
        message_id: MessageId,
        context: &CommandContext,
    ) -> Result<Marked, MarkError> {
        let subject = subject::mark(room_id, user_id, self.partitions);
        let mut freshness = Freshness::AnyReplica;
        for _ in 0..ATTEMPTS {
            let last = self.log.last(StreamName::Mark, &subject, freshness).await?;
            let expected = last.as_ref().map_or(0, |last| last.sequence);
            // A stale read only shows an earlier marker, with fewer keys.
            let (marked, keys) = stored(last)?;
            match keys.earlier_use(&subject, context) {
                Some(KeyUse::Repeat) => return self.marked(expected, true).await,
                Some(KeyUse::OtherRequest) => return Err(MarkError::KeyReused),
                None => {}
            }
            if marked.is_some_and(|marked| marked >= message_id) && context.command_id.is_none() {
                return self.marked(expected, false).await;
            }
            let furthest = marked.map_or(message_id, |marked| marked.max(message_id));
            let keys = keys.after(&subject, context);
            let message = message(subject.clone(), expected, furthest, &keys, context)?;
            match append(self.log.as_ref(), &[message], &RetryPolicy::default()).await {
                Ok(appended) => return self.marked(appended.sequence, false).await,
                Err(AppendError::Conflict) => freshness = Freshness::Leader,
                Err(error) => return Err(error.into()),
            }
        }
        Err(AppendError::Busy.into())
    }

    async fn marked(&self, sequence: u64, replayed: bool) -> Result<Marked, MarkError> {
        let read = || async { self.log.state(StreamName::Mark).await.map(|state| state.incarnation) };
        let incarnation = self.incarnation.get_or_try_init(read).await?.clone();
        let position = Position { stream: StreamName::Mark.label(), incarnation, sequence };
        Ok(Marked { position, replayed })
    }
}

fn stored(last: Option<Recorded>) -> Result<(Option<MessageId>, MarkKeys), MarkError> {
    let Some(last) = last else { return Ok((None, MarkKeys::default())) };
    let commit = RecordedCommit::parse(&last).map_err(DecodeError::json)?;
    match commit.decode()? {
        Decoded::Mark { message_id } => {
            Ok((Some(message_id), commit.state(MarkKeys::VERSION..=MarkKeys::VERSION).unwrap_or_default()))
        }
        _ => Err(DecodeError::Header("the marker").into()),
    }
}

fn message(
    subject: String,
    expected: u64,
    message_id: MessageId,
    keys: &MarkKeys,
    context: &CommandContext,
) -> Result<NewMessage, MarkError> {
    let commit_id = hex(&rand::random::<u128>().to_be_bytes());
    let state = (*keys != MarkKeys::default()).then_some((MarkKeys::VERSION, keys));
    let (headers, payload) = encode(&commit_id, &[MarkEvent::RoomRead { message_id }], state, context)?;
    Ok(NewMessage {
        stream: StreamName::Mark,
        subject,
        message_id: Some(commit_id),
        guard: Some(Guard { subject: None, sequence: expected }),
        headers,
        payload,
    })
}
