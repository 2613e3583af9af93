//! The checkpoint of a stream in a generation. It moves first in every transaction, and only from its known position.

use event_store::{Log, LogError, StreamState, commit_id_at};
use sqlx::{Arguments, PgConnection, postgres::PgArguments, query};
use wire::StreamName;

use crate::{commit::Commit, projection::Upserts};

/// The last commit of a stream that is in the read model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The stream.
    pub stream: StreamName,
    /// The stream's incarnation.
    pub incarnation: String,
    /// The commit's sequence; 0 before the first commit.
    pub position: u64,
    /// The commit's id.
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
    /// Reads the checkpoint of a stream; `None` if the generation was created without this stream.
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

    /// Returns the statement that moves the checkpoint to this commit. It writes the rows added to it only then: not if
    /// another projector has moved the checkpoint. Must be the first statement of a transaction: it blocks every other
    /// writer. Without it, a projector that lost its lease unnoticed would project commits twice.
    pub(crate) fn advance(&self, to: &Commit) -> Result<Upserts, sqlx::Error> {
        let mut arguments = PgArguments::default();
        let added = arguments
            .add(to.sequence.cast_signed())
            .and_then(|()| arguments.add(&to.commit_id))
            .and_then(|()| arguments.add(self.stream.label()))
            .and_then(|()| arguments.add(self.position.cast_signed()))
            .and_then(|()| arguments.add(&self.incarnation));
        added.map_err(sqlx::Error::Encode)?;
        let statement = "update checkpoints
             set position = $1,
                 commit_id = $2,
                 updated_at = clock_timestamp()
             where stream = $3
               and position = $4
               and incarnation = $5
             returning stream";
        Ok(Upserts::only_if(statement, arguments))
    }

    /// Locks the checkpoint at its position until the transaction ends. Returns false if another projector has moved
    /// it.
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

    /// Returns the checkpoint of the same stream at a later commit.
    #[must_use]
    pub fn at(&self, commit: &Commit) -> Self {
        Self { position: commit.sequence, commit_id: Some(commit.commit_id.clone()), ..self.clone() }
    }

    /// Compares the checkpoint with the log: incarnation, end, and the commit's id at the position.
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
            // The log keeps only the last marker of each reader.
            None if !self.stream.is_dense() => Ok(Ok(())),
            None => other(format!("it has no message at {}", self.position)),
            found if found == self.commit_id => Ok(Ok(())),
            Some(_) => other(format!("it holds another commit at {}", self.position)),
        }
    }
}
