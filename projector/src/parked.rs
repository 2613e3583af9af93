//! Another try for parked boxes: their waiting commits are read from the log and decoded again, in order.

use domain::BoxId;
use event_store::{Log, LogError, StreamName, log::Freshness};
use sqlx::{Connection, PgConnection};

use crate::{
    batch::BatchError,
    checkpoint::Checkpoint,
    commit::Commit,
    projection::{News, Projection, quarantine},
    reader::ReadError,
};

/// How many commits are projected at a time.
const CHUNK: usize = 500;

/// Tries every parked box of a stream once. One that fails again stays parked, from where it fails now.
pub(crate) async fn retry(
    connection: &mut PgConnection,
    projection: &mut Projection,
    checkpoint: &Checkpoint,
    log: &dyn Log,
) -> Result<News, ReadError> {
    let mut news = News::default();
    let boxes: Vec<BoxId> = match projection {
        Projection::Boxes(stream) => stream.quarantine().boxes().cloned().collect(),
        Projection::Users | Projection::Stores | Projection::Markers => return Ok(news),
    };
    for box_id in boxes {
        let positions = quarantine::parked(connection, &box_id).await?;
        // Read before the transaction: it must not idle while the log answers.
        let commits = read(log, checkpoint.stream, &positions).await?;
        match release(connection, projection, checkpoint, &box_id, &commits).await {
            Ok(more) => {
                news.extend(more);
            }
            Err(BatchError::Overtaken) => return Err(ReadError::Overtaken),
            Err(BatchError::Projection(error)) => {
                tracing::error!(box.id = %box_id, %error, "a parked box could not be tried again");
                projection.reopen(checkpoint.stream, connection).await?;
            }
        }
    }
    Ok(news)
}

async fn read(log: &dyn Log, stream: StreamName, positions: &[u64]) -> Result<Vec<Commit>, ReadError> {
    let mut commits = Vec::with_capacity(positions.len());
    for position in positions {
        let recorded = log.get(stream, *position, Freshness::AnyReplica).await?;
        let recorded = recorded.ok_or_else(|| LogError::Corrupt {
            stream,
            sequence: *position,
            reason: "a parked commit is gone".to_owned(),
        })?;
        commits.push(event_store::RecordedCommit::parse(&recorded)?.into());
    }
    Ok(commits)
}

async fn release(
    connection: &mut PgConnection,
    projection: &mut Projection,
    checkpoint: &Checkpoint,
    box_id: &BoxId,
    commits: &[Commit],
) -> Result<News, BatchError> {
    let mut news = News::default();
    let mut transaction = connection.begin().await?;
    if !checkpoint.hold(&mut transaction).await? {
        return Err(BatchError::Overtaken);
    }
    if let Projection::Boxes(stream) = projection {
        stream.release(&mut transaction, box_id).await?;
    }
    for chunk in commits.chunks(CHUNK) {
        let more = projection.project(&mut transaction, chunk).await?;
        news.extend(more);
    }
    transaction.commit().await?;
    Ok(news)
}
