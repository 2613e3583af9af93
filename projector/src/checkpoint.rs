//! Where a stream stands in a generation: moved first in every transaction, and only from where it was.

use event_store::{Log, LogError, StreamName, StreamState, commit_id_at};
use sqlx::{PgConnection, query};

use crate::commit::Commit;

/// The last commit of a stream that is in the read model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The stream.
    pub stream: StreamName,
    /// Which life of the stream.
    pub incarnation: String,
    /// Its sequence; 0 before the first.
    pub position: u64,
    /// Its commit's id.
    pub commit_id: Option<String>,
}

/// The log is not the one from which the read model was built.
#[derive(Debug, thiserror::Error)]
#[error("the stream {stream} is not the one that this read model was built from: {difference}")]
pub struct OtherLog {
    stream: StreamName,
    difference: String,
}

impl Checkpoint {
    /// Where a stream stands; none if the generation knows no such stream.
    pub async fn read(connection: &mut PgConnection, stream: StreamName) -> Result<Option<Self>, sqlx::Error> {
        let row = query!("select incarnation, position, commit_id from checkpoints where stream = $1", stream.label())
            .fetch_optional(connection)
            .await?;
        Ok(row.map(|row| Self {
            stream,
            incarnation: row.incarnation,
            position: row.position.cast_unsigned(),
            commit_id: row.commit_id,
        }))
    }

    /// Moves on to this commit; false if somebody else has moved it. Must be the first statement of a transaction: it
    /// holds every other writer off, and without it a lease that was lost unnoticed would project commits twice.
    pub async fn advance(&self, connection: &mut PgConnection, to: &Commit) -> Result<bool, sqlx::Error> {
        let moved = query!(
            "update checkpoints
             set position = $1,
                 commit_id = $2,
                 updated_at = clock_timestamp()
             where stream = $3
               and position = $4
               and incarnation = $5",
            to.sequence.cast_signed(),
            to.commit_id,
            self.stream.label(),
            self.position.cast_signed(),
            self.incarnation,
        )
        .execute(connection)
        .await?;
        Ok(moved.rows_affected() == 1)
    }

    /// Holds the checkpoint where it is; false if somebody else has moved it.
    pub(crate) async fn hold(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let held = query!(
            "select stream from checkpoints where stream = $1 and position = $2 and incarnation = $3 for update",
            self.stream.label(),
            self.position.cast_signed(),
            self.incarnation,
        )
        .fetch_optional(connection)
        .await?;
        Ok(held.is_some())
    }

    /// The same stream at a later commit.
    #[must_use]
    pub fn at(&self, commit: &Commit) -> Self {
        Self { position: commit.sequence, commit_id: Some(commit.commit_id.clone()), ..self.clone() }
    }

    /// Compares what was projected with what the log holds.
    pub async fn compare(&self, log: &dyn Log, state: &StreamState) -> Result<Result<(), OtherLog>, LogError> {
        let other = |difference| Ok(Err(OtherLog { stream: self.stream, difference }));
        if state.incarnation != self.incarnation {
            return other(format!("its incarnation is {}, not {}", state.incarnation, self.incarnation));
        }
        if state.last_sequence < self.position {
            return other(format!("it ends at {}, before {}", state.last_sequence, self.position));
        }
        if self.position == 0 {
            return Ok(Ok(()));
        }
        match commit_id_at(log, self.stream, self.position).await? {
            // Of markers the log keeps the last one of each reader only.
            None if !self.stream.is_dense() => Ok(Ok(())),
            None => other(format!("it holds nothing at {}", self.position)),
            found if found == self.commit_id => Ok(Ok(())),
            Some(_) => other(format!("it holds another commit at {}", self.position)),
        }
    }
}
