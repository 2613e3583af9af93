//! One transaction per batch, and one statement if possible: the checkpoint first, then the rows.

use sqlx::{Connection, PgConnection};

use crate::{
    checkpoint::Checkpoint,
    commit::Commit,
    projection::{Changes, Projection, ProjectionError},
};

/// The reason why a batch is not in the read model.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The rows could not be written; the whole batch was rolled back.
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    /// Another projector writes this stream's rows: the projection's memory is outdated.
    #[error("another projector has moved the checkpoint")]
    Overtaken,
}

impl From<sqlx::Error> for BatchError {
    fn from(error: sqlx::Error) -> Self {
        Self::Projection(ProjectionError::Database(error))
    }
}

/// Projects the commits that follow a checkpoint, all or nothing. After an error the caller must drop the projection:
/// it may remember rows that were rolled back.
pub async fn project_batch(
    connection: &mut PgConnection,
    projection: &mut Projection,
    checkpoint: &mut Checkpoint,
    commits: &[Commit],
) -> Result<Changes, BatchError> {
    let Some(last) = commits.last() else {
        return Ok(Changes::default());
    };
    projection.prepare(connection, commits).await?;
    let advance = checkpoint.advance(last)?;
    let changes = if projection.has_only_upserts() {
        projection.upsert(connection, advance, commits).await?.ok_or(BatchError::Overtaken)?
    } else {
        let mut transaction = connection.begin().await?;
        if !advance.execute(&mut transaction).await? {
            return Err(BatchError::Overtaken);
        }
        let changes = projection.write(&mut transaction, commits).await?;
        transaction.commit().await?;
        changes
    };
    *checkpoint = checkpoint.at(last);
    Ok(changes)
}

/// Like [`project_batch`], but isolates a commit that the database refuses: halves the batch until the commit is found,
/// and puts its box into quarantine. Does not handle dropped events: see
/// [`project_and_release`](crate::project_and_release).
pub async fn project_isolating_failures(
    connection: &mut PgConnection,
    projection: &mut Projection,
    checkpoint: &mut Checkpoint,
    commits: &[Commit],
) -> Result<Changes, BatchError> {
    let mut changes = Changes::default();
    let mut parts = vec![commits];
    let mut rejected = None;
    while let Some(part) = parts.pop() {
        match project_batch(connection, projection, checkpoint, part).await {
            Ok(more) => changes.extend(more),
            Err(BatchError::Projection(ProjectionError::Database(error))) => {
                let Some(reason) =
                    rejection_reason(&error).filter(|_| rejected != part.first().map(|first| first.sequence))
                else {
                    return Err(error.into());
                };
                projection.reopen(checkpoint.stream, connection).await?;
                if let [failed] = part {
                    quarantine_commit(projection, failed.sequence, reason)?;
                    rejected = Some(failed.sequence);
                    parts.push(part);
                } else {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(changes)
}

fn quarantine_commit(projection: &mut Projection, sequence: u64, reason: String) -> Result<(), ProjectionError> {
    match projection {
        Projection::Boxes(boxes) => {
            boxes.quarantine_commit(sequence, reason);
            Ok(())
        }
        Projection::Users | Projection::Stores | Projection::Markers => {
            Err(ProjectionError::Stuck { sequence, reason })
        }
    }
}

/// Returns the database's message if it refused the rows themselves, so that another attempt would fail again.
pub(crate) fn rejection_reason(error: &sqlx::Error) -> Option<String> {
    let error = error.as_database_error()?;
    // Data exceptions, violated constraints, exceeded limits.
    let of_data = error.code().is_some_and(|code| ["22", "23", "54"].iter().any(|class| code.starts_with(class)));
    of_data.then(|| format!("the database refuses it: {}", error.message()))
}
