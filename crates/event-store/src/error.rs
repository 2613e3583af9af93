//! Why events could not be loaded or committed, whatever went wrong below.

use crate::{append::AppendError, damage::Damage, log::LogError, space::Lack, upcast::DecodeError};

/// Why events could not be loaded or committed.
#[derive(Debug, thiserror::Error)]
pub enum EventStoreError {
    /// Something else was committed meanwhile: decide again.
    #[error("the aggregate has moved on")]
    Conflict,
    /// The command's id was used for another command.
    #[error("the command's id was used for another command")]
    KeyReused,
    /// A name that the decision needs belongs to somebody else.
    #[error("the name is taken")]
    NameTaken,
    /// The author was erased meanwhile: nothing of theirs is stored any more.
    #[error("the user was erased")]
    Erased,
    /// Too many others commit at the same time.
    #[error("too many commands at once")]
    Contended,
    /// The log is not there, or slow.
    #[error("the log cannot be reached: {reason}")]
    Unavailable {
        /// Whether the events may have been committed nevertheless. A repeat with the same command id settles it.
        outcome_unknown: bool,
        /// What went wrong.
        reason: String,
    },
    /// The server has no space for it: certainly not committed.
    #[error("the log has no space left: {0}")]
    Full(Lack),
    /// The log is not what was read from it before, for now or for good: certainly not committed.
    #[error("the log is damaged: {reason}")]
    Damaged {
        /// What is wrong.
        reason: String,
    },
    /// What is stored cannot be understood, or the log does not take what it has to.
    #[error("the log is damaged, or newer than this process: {reason}")]
    Corrupt {
        /// What is wrong.
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
            AppendError::Full(lack) => Self::Full(lack),
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
