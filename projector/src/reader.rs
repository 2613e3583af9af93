//! One stream into one generation, step by step: what the running projector does for ever, and a rebuild to the end.

use std::{sync::Arc, time::Duration};

use event_store::{Damage, FollowError, Follower, Log, LogError, RecordedCommit, StreamName, follow};
use sqlx::{PgConnection, query};
use tokio::time::timeout;

use crate::{
    batch::{self, BatchError},
    checkpoint::Checkpoint,
    commit::Commit,
    database::Database,
    parked,
    projection::{News, Projection, ProjectionError},
};

/// The most events of a batch while somebody waits for each.
const LIVE_EVENTS: usize = 500;

/// The most events of a batch while there is much to catch up with.
const CATCHING_UP_EVENTS: usize = 2000;

/// The most bytes of a batch.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// How long a transaction may take before its connection counts as lost.
const TRANSACTION: Duration = Duration::from_secs(30);

/// A generation's tables grow from nothing: until this position statistics are renewed at every doubling. Without, the
/// server keeps plans that it made for empty tables, and catching up takes a time that is quadratic.
const YOUNG: std::ops::RangeInclusive<u64> = 2_000..=2_048_000;

/// Reads one stream and projects it. Held by one task; drop it after any error and begin again from the checkpoint.
pub struct Reader {
    connection: PgConnection,
    projection: Projection,
    checkpoint: Checkpoint,
    follower: Follower,
    log: Arc<dyn Log>,
    caught_up: bool,
    most: Option<usize>,
}

/// What a step has done.
#[derive(Debug)]
pub struct Step {
    /// What is new to see.
    pub news: News,
    /// Where the stream stands now.
    pub checkpoint: Checkpoint,
    /// Whether the end of the log, as far as it is known, is reached.
    pub caught_up: bool,
}

/// Why a stream does not go on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The database or the log is away; try again soon.
    #[error("{0}")]
    Away(String),
    /// Somebody else writes this stream's rows.
    #[error("another projector has moved the checkpoint")]
    Overtaken,
    /// Somebody has to look: going on would make the read model wrong.
    #[error("{0}")]
    Stopped(String),
}

impl Reader {
    /// Begins after the checkpoint, if the log is still the one that the checkpoint was taken of.
    pub async fn open(
        database: &Database,
        log: Arc<dyn Log>,
        generation: i32,
        stream: StreamName,
    ) -> Result<Self, ReadError> {
        let mut connection = database.generation(generation).await?;
        let checkpoint = Checkpoint::read(&mut connection, stream).await?;
        let checkpoint = checkpoint
            .ok_or_else(|| ReadError::Stopped(format!("generation {generation} was not created with {stream}")))?;
        let follower = follow(Arc::clone(&log), stream, checkpoint.position + 1).await?;
        checkpoint
            .compare(log.as_ref(), follower.state())
            .await?
            .map_err(|other| ReadError::Stopped(other.to_string()))?;
        let projection = Projection::open(stream, &mut connection).await?;
        Ok(Self { connection, projection, checkpoint, follower, log, caught_up: false, most: None })
    }

    /// Lets the parked boxes try again: a newer build may understand what an older one did not.
    pub async fn retry_parked(&mut self) -> Result<News, ReadError> {
        let Self { connection, projection, checkpoint, log, .. } = self;
        timeout(TRANSACTION, parked::retry(connection, projection, checkpoint, log.as_ref())).await?
    }

    /// Where the stream stands.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The end of the log when reading began.
    pub fn end(&self) -> u64 {
        self.follower.state().last_sequence
    }

    /// Makes batches no larger than this from now on.
    pub fn take_at_most(&mut self, events: Option<usize>) {
        self.most = events;
    }

    /// Projects the next batch; waits while nothing is there. Not to be called again after it was dropped midway.
    pub async fn step(&mut self) -> Result<Step, ReadError> {
        let most = if self.caught_up { LIVE_EVENTS } else { CATCHING_UP_EVENTS };
        let most = self.most.map_or(most, |limit| most.min(limit));
        let read = self.follower.next_batch(most, BATCH_BYTES).await?;
        self.caught_up = read.caught_up;
        let commits: Vec<Commit> = read.commits.into_iter().map(Commit::from).collect();
        let before = self.checkpoint.position;
        let Self { connection, projection, checkpoint, .. } = self;
        let projected = batch::project_around_poison(connection, projection, checkpoint, &commits);
        let news = timeout(TRANSACTION, projected).await??;
        if has_doubled(before, self.checkpoint.position) {
            self.analyze().await;
        }
        Ok(Step { news, checkpoint: self.checkpoint.clone(), caught_up: read.caught_up })
    }

    async fn analyze(&mut self) {
        let connection = &mut self.connection;
        let analyzed = match self.projection {
            Projection::Boxes(_) => {
                query!("analyze boxes, rooms, members, user_rooms, messages, room_events, alarms").execute(connection)
            }
            Projection::Users => query!("analyze users, devices").execute(connection),
            Projection::Stores => query!("analyze stores").execute(connection),
            Projection::Markers => query!("analyze read_markers").execute(connection),
        };
        if let Err(error) = analyzed.await {
            // Another partition may be at the same table; the next doubling comes.
            tracing::debug!(%error, "statistics were not renewed");
        }
    }
}

fn has_doubled(before: u64, after: u64) -> bool {
    let mut mark = *YOUNG.start();
    while YOUNG.contains(&mark) {
        if before < mark && mark <= after {
            return true;
        }
        mark *= 2;
    }
    false
}

impl From<RecordedCommit> for Commit {
    fn from(recorded: RecordedCommit) -> Self {
        Self {
            content: crate::commit::Content::of(&recorded),
            sequence: recorded.sequence,
            commit_id: recorded.commit_id,
            command_id: recorded.command_id,
            actor: recorded.actor,
            at: recorded.at,
        }
    }
}

impl From<sqlx::Error> for ReadError {
    fn from(error: sqlx::Error) -> Self {
        Self::Away(format!("the database failed: {error}"))
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
            FollowError::Unavailable(source) => Self::Away(source.to_string()),
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
        Self::Away("the database takes too long".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_renewed_while_a_generation_is_young() {
        assert!(has_doubled(0, 2000) && has_doubled(3999, 4000) && has_doubled(100, 9000));
        assert!(!has_doubled(0, 1999) && !has_doubled(2000, 3999) && !has_doubled(4_000_000, 9_000_000));
    }
}
