//! The failures of changes.

/// The reason why a generation's state was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The current state does not allow the change; nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// A projector did not do its part in time.
    #[error("{0}")]
    Unanswered(String),
    /// The database failed; nothing was changed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The log does not answer.
    #[error(transparent)]
    Log(#[from] event_store::LogError),
}

pub(super) fn refuse<T>(reason: impl Into<String>) -> Result<T, ChangeError> {
    Err(ChangeError::Refused(reason.into()))
}
