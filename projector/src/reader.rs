//! Projects one stream into one generation, step by step: continuously in the running projector, and to the end in a
//! rebuild.

use std::{sync::Arc, time::Duration};

use domain::BoxId;
use event_store::{Follower, Log, follow};
use sqlx::{PgConnection, raw_sql};
use tokio::time::{Instant, timeout};
use wire::StreamName;

use crate::{
    checkpoint::Checkpoint,
    database::Database,
    prefetch::{Batch, Prefetcher},
    projection::{Changes, Projection, ProjectionMode, table::analyze_lookups},
    read_error::ReadError,
    release,
    throttle::Throttle,
    traces::Traces,
};

/// Limit of a batch at the end of the log, in events: clients wait for each.
const LIVE_EVENTS: usize = 500;

/// Limit of a batch while catching up, in events.
const CATCHING_UP_EVENTS: usize = 2000;

/// Limit of a batch, in bytes.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Timeout of a transaction, after which its connection counts as lost.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(30);

/// The range of positions in which statistics are renewed as the tables grow. Without this the server keeps plans made
/// for empty tables, and catching up takes quadratic time.
const ANALYZED_POSITIONS: std::ops::RangeInclusive<u64> = 2_000..=2_048_000;

/// The growth factor between two renewals. Building reads almost nothing back, so it needs fewer.
const LIVE_GROWTH: u64 = 2;
const BUILDING_GROWTH: u64 = 8;

/// Reads one stream and projects it. One task holds it, drops it after any error, and begins again from the checkpoint.
pub struct Reader {
    connection: PgConnection,
    projection: Projection,
    checkpoint: Checkpoint,
    source: Source,
    log: Arc<dyn Log>,
    end: u64,
    caught_up: bool,
}

/// The way in which a generation is written.
#[derive(Debug, Clone)]
pub enum Mode {
    /// It serves reads: projects every event as soon as possible.
    Live,
    /// It is built and serves no reads: projects large batches within the throttle's limits. Reports no changes.
    Building(Throttle),
}

/// The source of commits.
enum Source {
    Direct(Box<Follower>),
    Prefetched(Prefetcher, Throttle),
}

/// The result of a step.
#[derive(Debug)]
pub struct Step {
    /// The changes that subscribers are notified of.
    pub changes: Changes,
    /// The checkpoint after the step.
    pub checkpoint: Checkpoint,
    /// True if the step reached the known end of the log.
    pub caught_up: bool,
    /// The number of projected commits.
    pub commits: usize,
    /// The duration without the wait for commits.
    pub duration: Duration,
    /// The spans of the traced commits.
    pub traces: Traces,
}

impl Reader {
    /// Begins after the checkpoint, if the log still is the one that the checkpoint belongs to.
    pub async fn open(
        database: &Database,
        log: Arc<dyn Log>,
        generation: i32,
        stream: StreamName,
        mode: Mode,
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
        let end = follower.state().last_sequence;
        let (source, pace) = match mode {
            Mode::Live => (Source::Direct(Box::new(follower)), ProjectionMode::Live),
            Mode::Building(throttle) => {
                // A server crash that loses rows also loses their checkpoint.
                raw_sql("set synchronous_commit = off").execute(&mut connection).await?;
                (
                    Source::Prefetched(Prefetcher::start(follower.in_bulk(), throttle.clone()), throttle),
                    ProjectionMode::Building,
                )
            }
        };
        let projection = Projection::open(stream, pace, &mut connection).await?;
        Ok(Self { connection, projection, checkpoint, source, log, end, caught_up: false })
    }

    /// Retries the quarantined boxes: a newer build may understand events that an older one did not.
    pub async fn retry_quarantined(&mut self) -> Result<Changes, ReadError> {
        let Self { connection, projection, checkpoint, log, .. } = self;
        timeout(TRANSACTION_TIMEOUT, release::retry_quarantined(connection, projection, checkpoint, log.as_ref()))
            .await?
    }

    /// Returns the quarantined boxes, each with the sequence at which its quarantine begins.
    pub fn quarantined(&self) -> Vec<(BoxId, u64)> {
        let Projection::Boxes(stream) = &self.projection else { return Vec::new() };
        let quarantine = stream.quarantine();
        quarantine.boxes().filter_map(|box_id| Some((box_id.clone(), quarantine.since(box_id)?))).collect()
    }

    /// Returns the stream's checkpoint.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Returns the end of the log when reading began.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Projects the next batch; waits while there is none. Not cancel-safe: drop the reader if this future was dropped.
    pub async fn step(&mut self) -> Result<Step, ReadError> {
        let Batch { commits, caught_up } = self.next_batch().await?;
        self.caught_up = caught_up;
        let (before, begun) = (self.checkpoint.position, Instant::now());
        let traces = Traces::begin(self.checkpoint.stream, &commits);
        let Self { connection, projection, checkpoint, log, .. } = self;
        let projected = release::project_and_release(connection, projection, checkpoint, &commits, log.as_ref());
        let changes = timeout(TRANSACTION_TIMEOUT, projected).await??;
        let (commits, duration) = (commits.len(), begun.elapsed());
        let growth = match self.source {
            Source::Direct(_) => LIVE_GROWTH,
            Source::Prefetched(..) => BUILDING_GROWTH,
        };
        if has_grown(before, self.checkpoint.position, growth) {
            self.analyze().await;
        }
        Ok(Step { changes, checkpoint: self.checkpoint.clone(), caught_up, commits, duration, traces })
    }

    async fn next_batch(&mut self) -> Result<Batch, ReadError> {
        match &mut self.source {
            Source::Direct(follower) => {
                let max = if self.caught_up { LIVE_EVENTS } else { CATCHING_UP_EVENTS };
                Ok(Batch::next(follower, max, BATCH_BYTES).await?)
            }
            Source::Prefetched(prefetcher, throttle) => {
                let batch = prefetcher.next().await;
                let batch = batch.ok_or_else(|| ReadError::Unavailable("reading has ended".to_owned()))??;
                throttle.acquire(batch.commits.len()).await;
                Ok(batch)
            }
        }
    }

    /// Renews the statistics of the columns by which rows are found, to keep it cheap.
    async fn analyze(&mut self) {
        let analyzed = raw_sql(analyze_lookups(self.projection.tables()));
        if let Err(error) = analyzed.execute(&mut self.connection).await {
            // Another partition may be analyzing the same table; the next renewal follows.
            tracing::debug!(%error, "statistics were not renewed");
        }
    }
}

fn has_grown(before: u64, after: u64, growth: u64) -> bool {
    let mut mark = *ANALYZED_POSITIONS.start();
    while ANALYZED_POSITIONS.contains(&mark) {
        if before < mark && mark <= after {
            return true;
        }
        mark *= growth;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_renewed_while_a_generation_is_young() {
        assert!(has_grown(0, 2000, 2) && has_grown(3999, 4000, 2) && has_grown(100, 9000, 2));
        assert!(!has_grown(0, 1999, 2) && !has_grown(2000, 3999, 2) && !has_grown(4_000_000, 9_000_000, 2));
        assert!(has_grown(0, 9000, 8) && has_grown(9000, 16_000, 8) && !has_grown(2000, 15_999, 8));
    }
}
