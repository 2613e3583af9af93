//! The failures of a verification.

use event_store::LogError;

use crate::read_error::ReadError;

/// The reason why a verification has no result.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The two cannot be compared in their current state.
    #[error("{0}")]
    Refused(String),
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The log does not answer.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A fresh projection cannot be built.
    #[error("a fresh projection cannot be built: {0}")]
    Build(#[from] ReadError),
}
