//! The failures of a projection.

use crate::commit::{Commit, Content};

/// The reason why a batch could not be projected.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// The database is unreachable, or refuses the rows.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// A commit outside the box streams cannot be read or applied; its stream stops here.
    #[error("the commit at sequence {sequence} cannot be projected: {reason}")]
    Stuck {
        /// Its sequence.
        sequence: u64,
        /// The reason.
        reason: String,
    },
}

/// An event contradicts the state of the read model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct InvalidEvent(pub(super) String);

/// The error for a commit of another kind than its stream holds, or one that cannot be decoded.
pub(super) fn foreign_commit(commit: &Commit) -> ProjectionError {
    let reason = match &commit.content {
        Content::Unreadable { reason, .. } => reason.clone(),
        Content::Box { .. }
        | Content::User { .. }
        | Content::Claim
        | Content::Store { .. }
        | Content::Filters { .. }
        | Content::Report { .. }
        | Content::Mark { .. } => "it does not belong into this stream".to_owned(),
    };
    ProjectionError::Stuck { sequence: commit.sequence, reason }
}
