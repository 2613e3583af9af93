//! Releases boxes from quarantine: reads their waiting commits from the log and decodes them again, in order. Happens
//! on an operator's retry, and when a later event drops the commit that failed.
//!
//! The rule for dropped events: a commit that cannot be projected is skipped if a later commit of its box drops it.
//! Dropping one that can be projected has no effect. So the rows depend on the log alone, and not on past quarantines.

use std::collections::BTreeSet;

use domain::{BoxEvent, BoxId, OwnEvent};
use event_store::{Log, LogError, log::Freshness};
use futures::{StreamExt, TryStreamExt, stream};
use sqlx::{Connection, PgConnection};
use wire::StreamName;

use crate::{
    batch::{BatchError, project_isolating_failures, rejection_reason},
    checkpoint::Checkpoint,
    commit::{Commit, Content},
    projection::{Changes, Projection, ProjectionError, quarantine},
    read_error::ReadError,
};

/// Commits per call of the projection.
const CHUNK: usize = 500;

/// Concurrent reads from the log.
const READS: usize = 32;

/// Projects the commits that follow a checkpoint. A commit that drops the event which keeps its box in quarantine
/// releases the box, in the transaction that moves the checkpoint to it. After an error the caller must drop the
/// projection.
pub async fn project_and_release(
    connection: &mut PgConnection,
    projection: &mut Projection,
    checkpoint: &mut Checkpoint,
    commits: &[Commit],
    log: &dyn Log,
) -> Result<Changes, ReadError> {
    let mut changes = Changes::default();
    let mut rest = commits;
    while let Some((index, commit)) =
        rest.iter().enumerate().find(|(_, commit)| dropped_sequences(commit).next().is_some())
    {
        let (before, after) = (rest.get(..index), rest.get(index + 1..));
        changes
            .extend(project_isolating_failures(connection, projection, checkpoint, before.unwrap_or_default()).await?);
        changes.extend(project_dropping(connection, projection, checkpoint, commit, log).await?);
        rest = after.unwrap_or_default();
    }
    changes.extend(project_isolating_failures(connection, projection, checkpoint, rest).await?);
    Ok(changes)
}

/// Retries every quarantined box of a stream once. A box that fails again stays in quarantine, from its new failure on.
pub async fn retry_quarantined(
    connection: &mut PgConnection,
    projection: &mut Projection,
    checkpoint: &Checkpoint,
    log: &dyn Log,
) -> Result<Changes, ReadError> {
    let mut changes = Changes::default();
    let boxes: Vec<BoxId> = match projection {
        Projection::Boxes(stream) => stream.quarantine().boxes().cloned().collect(),
        Projection::Users | Projection::Stores | Projection::Markers => return Ok(changes),
    };
    for box_id in boxes {
        let waiting = waiting(connection, checkpoint.stream, &box_id, log).await?;
        let release = Release { checkpoint, to: None, box_id: &box_id, commits: &waiting };
        match release.execute(connection, projection).await {
            Ok(more) => changes.extend(more),
            Err(BatchError::Overtaken) => return Err(ReadError::Overtaken),
            Err(BatchError::Projection(error)) => {
                tracing::error!(box.id = %box_id, %error, "cannot retry a quarantined box");
                projection.reopen(checkpoint.stream, connection).await?;
            }
        }
    }
    Ok(changes)
}

/// Returns the sequences of earlier commits of the same box that this commit drops.
fn dropped_sequences(commit: &Commit) -> impl Iterator<Item = u64> {
    let events = match &commit.content {
        Content::Box { events, .. } => events.as_slice(),
        Content::User { .. }
        | Content::Claim
        | Content::Store { .. }
        | Content::Filters { .. }
        | Content::Report { .. }
        | Content::Mark { .. }
        | Content::Unreadable { .. } => &[],
    };
    let sequences = events.iter().filter_map(|event| match event {
        BoxEvent::Box(OwnEvent::EventDropped { sequence, .. }) => Some(sequence.sequence()),
        _ => None,
    });
    sequences.filter(|sequence| *sequence < commit.sequence)
}

async fn project_dropping(
    connection: &mut PgConnection,
    projection: &mut Projection,
    checkpoint: &mut Checkpoint,
    commit: &Commit,
    log: &dyn Log,
) -> Result<Changes, ReadError> {
    let quarantined = match (&*projection, commit.content.box_id()) {
        (Projection::Boxes(stream), Some(box_id)) => stream.quarantine().since(box_id).map(|since| (box_id, since)),
        _ => None,
    };
    let Some((box_id, _)) =
        quarantined.filter(|(_, since)| dropped_sequences(commit).any(|sequence| sequence == *since))
    else {
        let single = std::slice::from_ref(commit);
        return Ok(project_isolating_failures(connection, projection, checkpoint, single).await?);
    };
    let mut commits = waiting(connection, checkpoint.stream, box_id, log).await?;
    commits.push(commit.clone());
    let release = Release { checkpoint, to: Some(commit), box_id, commits: &commits };
    let changes = release.execute(connection, projection).await?;
    *checkpoint = checkpoint.at(commit);
    Ok(changes)
}

/// Reads the waiting commits of a box, before the transaction begins: it must not idle while the log answers.
async fn waiting(
    connection: &mut PgConnection,
    stream: StreamName,
    box_id: &BoxId,
    log: &dyn Log,
) -> Result<Vec<Commit>, ReadError> {
    let positions = quarantine::waiting_positions(connection, box_id).await?;
    let commits = stream::iter(positions).map(|position| read(log, stream, position)).buffered(READS);
    commits.try_collect().await
}

async fn read(log: &dyn Log, stream: StreamName, position: u64) -> Result<Commit, ReadError> {
    let recorded = log.get(stream, position, Freshness::AnyReplica).await?;
    let reason = "a waiting commit of a quarantined box is missing".to_owned();
    let recorded = recorded.ok_or(LogError::Corrupt { stream, sequence: position, reason })?;
    Ok(event_store::RecordedCommit::parse(&recorded)?.into())
}

/// The release of a box with its waiting commits.
struct Release<'a> {
    checkpoint: &'a Checkpoint,
    /// The commit that the checkpoint moves to; `None` if it stays.
    to: Option<&'a Commit>,
    box_id: &'a BoxId,
    commits: &'a [Commit],
}

/// An attempt that was rolled back.
struct Failure {
    error: BatchError,
    /// The sequence of the failed commit, if the commits were projected one by one.
    sequence: Option<u64>,
}

impl<E: Into<BatchError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), sequence: None }
    }
}

impl Release<'_> {
    /// Projects all commits in one transaction. If the database refuses one, isolates it and puts the box into
    /// quarantine from there.
    async fn execute(&self, connection: &mut PgConnection, projection: &mut Projection) -> Result<Changes, BatchError> {
        let mut rejected = Vec::new();
        let mut chunk = CHUNK;
        loop {
            let failure = match self.attempt(connection, projection, chunk).await {
                Ok(changes) => return Ok(changes),
                Err(failure) => failure,
            };
            let BatchError::Projection(ProjectionError::Database(error)) = &failure.error else {
                return Err(failure.error);
            };
            let Some(reason) = rejection_reason(error).filter(|_| chunk > 1 || failure.sequence.is_some()) else {
                return Err(failure.error);
            };
            projection.reopen(self.checkpoint.stream, connection).await?;
            rejected.extend(failure.sequence.map(|sequence| (sequence, reason)));
            // Projects one by one until the failing commit is known.
            chunk = if failure.sequence.is_some() { CHUNK } else { 1 };
            if let Projection::Boxes(boxes) = projection {
                rejected.iter().cloned().for_each(|(sequence, reason)| boxes.quarantine_commit(sequence, reason));
            }
        }
    }

    async fn attempt(
        &self,
        connection: &mut PgConnection,
        projection: &mut Projection,
        chunk: usize,
    ) -> Result<Changes, Failure> {
        let mut transaction = connection.begin().await?;
        let held = match self.to {
            Some(commit) => self.checkpoint.advance(commit)?.execute(&mut transaction).await?,
            None => self.checkpoint.hold(&mut transaction).await?,
        };
        if !held {
            return Err(BatchError::Overtaken.into());
        }
        if let Projection::Boxes(stream) = projection {
            let dropped: BTreeSet<u64> = self.commits.iter().flat_map(dropped_sequences).collect();
            stream.release(&mut transaction, self.box_id, dropped).await?;
        }
        let mut changes = Changes::default();
        for commits in self.commits.chunks(chunk) {
            match projection.project(&mut transaction, commits).await {
                Ok(more) => changes.extend(more),
                Err(error) => {
                    let sequence = commits.first().filter(|_| chunk == 1).map(|commit| commit.sequence);
                    return Err(Failure { error: error.into(), sequence });
                }
            }
        }
        transaction.commit().await?;
        Ok(changes.of_release())
    }
}
