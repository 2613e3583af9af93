//! Errors of loading and committing events, independent of the layer that failed.

use storage::SpaceLimit;

use crate::{
    codec::upcast::DecodeError,
    executor::append::AppendError,
    log::{LogError, damage::Damage},
};

/// The reasons for which events could not be loaded or committed.
#[derive(Debug, thiserror::Error)]
pub enum EventStoreError {
    /// The aggregate was changed concurrently: decide again.
    #[error("the aggregate was changed at the same time")]
    Conflict,
    /// The command's id was used for another command.
    #[error("the command's id was used for another command")]
    KeyReused,
    /// The preparation of the commit has rejected it, for a reason that it knows: certainly not committed.
    #[error("the commit was rejected before it was stored")]
    NotPrepared,
    /// Another aggregate has claimed a name that the decision needs.
    #[error("the name is taken")]
    NameTaken,
    /// The author was erased in the meantime. Commits by erased users are rejected.
    #[error("the user was erased")]
    Erased,
    /// Too many concurrent commits on the same aggregate.
    #[error("too many commands at once")]
    Contended,
    /// The log is unreachable or slow.
    #[error("the log cannot be reached: {reason}")]
    Unavailable {
        /// True if the events may have been committed nevertheless. A repeat with the same command id settles it.
        outcome_unknown: bool,
        /// The error.
        reason: String,
    },
    /// The server has no space for it: certainly not committed.
    #[error("the log has no space left: {0}")]
    Full(SpaceLimit),
    /// The log differs from what was read from it before, temporarily or for good: certainly not committed.
    #[error("the log is damaged: {reason}")]
    Damaged {
        /// The damage.
        reason: String,
    },
    /// A stored message cannot be read, or the log rejects a valid message.
    #[error("the log is damaged, or newer than this process: {reason}")]
    Corrupt {
        /// The reason.
        reason: String,
    },
}

impl EventStoreError {
    pub(crate) fn unavailable(reason: String) -> Self {
        Self::Unavailable { outcome_unknown: false, reason }
    }
}

impl From<LogError> for EventStoreError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Unavailable(reason) => Self::unavailable(reason),
            error @ LogError::Absent(_) => Self::unavailable(error.to_string()),
            error => Self::Corrupt { reason: error.to_string() },
        }
    }
}

impl From<AppendError> for EventStoreError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict => Self::Conflict,
            AppendError::IdTaken => Self::KeyReused,
            AppendError::Erased => Self::Erased,
            AppendError::Busy => Self::Contended,
            AppendError::Full(space_limit) => Self::Full(space_limit),
            AppendError::Unavailable { outcome_unknown, reason } => Self::Unavailable { outcome_unknown, reason },
            AppendError::Refused(error) => error.into(),
        }
    }
}

impl From<DecodeError> for EventStoreError {
    fn from(error: DecodeError) -> Self {
        Self::Corrupt { reason: error.to_string() }
    }
}

impl From<Damage> for EventStoreError {
    fn from(damage: Damage) -> Self {
        Self::Damaged { reason: damage.to_string() }
    }
}
