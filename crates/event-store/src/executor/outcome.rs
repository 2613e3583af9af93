//! The outcome of a command.

use domain::Position;
use storage::SpaceLimit;

use super::{aggregate::StoredAggregate, error::EventStoreError};

/// The command was executed: its events are in the log.
#[derive(Debug)]
pub struct Committed<A: StoredAggregate> {
    /// The events. Empty if the state was already as requested.
    pub events: Vec<A::Event>,
    /// The position of the commit. A read model whose checkpoint has reached it includes the commit.
    pub position: Position,
    /// The sequence of the commit. For a posted message, it is the message's id.
    pub sequence: u64,
    /// True if the command was executed earlier and this is a repeat.
    pub replayed: bool,
}

/// The command was not executed, or the outcome is unknown.
#[derive(Debug, thiserror::Error)]
pub enum CommandError<E: std::error::Error + 'static> {
    /// The aggregate refused the command.
    #[error("{0}")]
    Refused(E),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The preparation of the commit has rejected it, for a reason that it knows: certainly not executed.
    #[error("the commit was rejected before it was stored")]
    NotPrepared,
    /// The user was erased in the meantime: certainly not executed.
    #[error("the user was erased")]
    Erased,
    /// The user is suspended: certainly not executed.
    #[error("the user is suspended")]
    Suspended,
    /// Too many concurrent commands to the same aggregate: certainly not executed.
    #[error("too many commands at once")]
    Contended,
    /// The log is unreachable or slow.
    #[error("the log cannot be reached: {reason}")]
    Unavailable {
        /// True if it may have been executed nevertheless. A repeat with the same idempotency key settles it.
        outcome_unknown: bool,
        /// The error.
        reason: String,
    },
    /// The server has no space for it: certainly not executed.
    #[error("the log has no space left: {0}")]
    Full(SpaceLimit),
    /// The log differs from what was read from it before, temporarily or for good: certainly not executed.
    #[error("the log is damaged: {reason}")]
    Damaged {
        /// The damage.
        reason: String,
    },
    /// A stored message cannot be read.
    #[error("the log is damaged, or newer than this process: {reason}")]
    Corrupt {
        /// The reason.
        reason: String,
    },
}

impl<E: std::error::Error + 'static> From<EventStoreError> for CommandError<E> {
    fn from(error: EventStoreError) -> Self {
        match error {
            EventStoreError::KeyReused => Self::KeyReused,
            EventStoreError::NotPrepared => Self::NotPrepared,
            EventStoreError::Erased => Self::Erased,
            EventStoreError::Conflict | EventStoreError::NameTaken | EventStoreError::Contended => Self::Contended,
            EventStoreError::Unavailable { outcome_unknown, reason } => Self::Unavailable { outcome_unknown, reason },
            EventStoreError::Full(space_limit) => Self::Full(space_limit),
            EventStoreError::Damaged { reason } => Self::Damaged { reason },
            EventStoreError::Corrupt { reason } => Self::Corrupt { reason },
        }
    }
}
