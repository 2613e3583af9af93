//! The reasons why a stream is not projected further.

use event_store::{Damage, FollowError, LogError};
use sqlx::error::DatabaseError;

use crate::{batch::BatchError, projection::ProjectionError};

/// The SQLSTATE with which PostgreSQL reports that it cannot extend a file.
const DISK_FULL: &str = "53100";

/// The reason why a stream is not projected further.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The database or the log is unavailable; the caller retries soon.
    #[error("{0}")]
    Unavailable(String),
    /// Another projector writes this stream's rows.
    #[error("another projector has moved the checkpoint")]
    Overtaken,
    /// An operator is needed: going on would make the read model wrong.
    #[error("{0}")]
    Stopped(String),
}

impl From<sqlx::Error> for ReadError {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error().and_then(DatabaseError::code) {
            Some(code) if code == DISK_FULL => Self::Unavailable(format!(
                "the database has no space left: add space; nothing needs a restart ({error})"
            )),
            _ => Self::Unavailable(format!("the database failed: {error}")),
        }
    }
}

impl From<LogError> for ReadError {
    fn from(error: LogError) -> Self {
        FollowError::from(error).into()
    }
}

impl From<FollowError> for ReadError {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Unavailable(source) => Self::Unavailable(source.to_string()),
            FollowError::Damaged(damage) => damage.into(),
        }
    }
}

impl From<Damage> for ReadError {
    fn from(damage: Damage) -> Self {
        Self::Stopped(format!("the log is not what this read model was built from: {damage}"))
    }
}

impl From<BatchError> for ReadError {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Overtaken => Self::Overtaken,
            BatchError::Projection(ProjectionError::Database(error)) => error.into(),
            BatchError::Projection(stuck @ ProjectionError::Stuck { .. }) => Self::Stopped(stuck.to_string()),
        }
    }
}

impl From<tokio::time::error::Elapsed> for ReadError {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self::Unavailable("the database takes too long".to_owned())
    }
}
