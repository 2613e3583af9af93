//! Read markers: how far a user has read in a room. Only ever forward.

use std::sync::Arc;

use domain::{MessageId, Position, RoomId, UserId};
use tokio::sync::OnceCell;

use crate::{
    append::{AppendError, Patience, append},
    envelope::{CommandContext, Decoded, RecordedCommit, encode},
    log::{Freshness, Guard, Log, LogError, NewMessage, Recorded},
    mark_event::MarkEvent,
    stream::StreamName,
    subject::{self, hex},
    upcast::DecodeError,
};

/// How often a marker that another process moves at the same time is tried again.
const ATTEMPTS: usize = 8;

/// Why a marker was not moved.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// The append failed.
    #[error("the marker could not be moved")]
    Append(#[from] AppendError),
    /// The marker could not be read.
    #[error("the marker could not be read")]
    Log(#[from] LogError),
    /// What is stored is no marker.
    #[error("the marker could not be understood")]
    Decode(#[from] DecodeError),
}

/// The read markers of all rooms.
pub struct Marks {
    log: Arc<dyn Log>,
    partitions: u16,
    incarnation: OnceCell<String>,
}

impl Marks {
    /// The markers of this log.
    pub fn new(log: Arc<dyn Log>, partitions: u16) -> Self {
        Self { log, partitions, incarnation: OnceCell::new() }
    }

    /// Moves a user's marker to a message; one that is there already, or further, stays.
    /// Returns the position at which the marker is at least as far. Whether the user may read the room is the caller's matter.
    pub async fn mark(
        &self,
        room_id: &RoomId,
        user_id: &UserId,
        message_id: MessageId,
        context: &CommandContext,
    ) -> Result<Position, MarkError> {
        let subject = subject::mark(room_id, user_id, self.partitions);
        let mut freshness = Freshness::AnyReplica;
        for _ in 0..ATTEMPTS {
            let last = self.log.last(StreamName::Mark, &subject, freshness).await?;
            let expected = last.as_ref().map_or(0, |last| last.sequence);
            // A stale answer only shows an earlier marker.
            if marked(last)?.is_some_and(|marked| marked >= message_id) {
                return self.position(expected).await;
            }
            let message = message(subject.clone(), expected, message_id, context)?;
            match append(self.log.as_ref(), &[message], &Patience::default()).await {
                Ok(appended) => return self.position(appended.sequence).await,
                Err(AppendError::Conflict) => freshness = Freshness::Leader,
                Err(error) => return Err(error.into()),
            }
        }
        Err(AppendError::Busy.into())
    }

    async fn position(&self, sequence: u64) -> Result<Position, MarkError> {
        let read = || async { self.log.state(StreamName::Mark).await.map(|state| state.incarnation) };
        let incarnation = self.incarnation.get_or_try_init(read).await?.clone();
        Ok(Position { stream: StreamName::Mark.label(), incarnation, sequence })
    }
}

fn marked(last: Option<Recorded>) -> Result<Option<MessageId>, MarkError> {
    let Some(last) = last else { return Ok(None) };
    let commit = RecordedCommit::parse(&last).map_err(DecodeError::json)?;
    match commit.decode()? {
        Decoded::Mark { message_id } => Ok(Some(message_id)),
        _ => Err(DecodeError::Header("the marker").into()),
    }
}

fn message(
    subject: String,
    expected: u64,
    message_id: MessageId,
    context: &CommandContext,
) -> Result<NewMessage, MarkError> {
    let commit_id = hex(&rand::random::<u128>().to_be_bytes());
    let (headers, payload) = encode::<_, ()>(&commit_id, &[MarkEvent::RoomRead { message_id }], None, context)?;
    Ok(NewMessage {
        stream: StreamName::Mark,
        subject,
        message_id: Some(commit_id),
        guard: Some(Guard { subject: None, sequence: expected }),
        headers,
        payload,
    })
}
