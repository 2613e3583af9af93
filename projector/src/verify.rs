//! Compares two generations of the read model at the same positions of the log, row by row, while both are in use.
//!
//! One snapshot covers the tables and checkpoints of both. Boxes with events between the two checkpoints are left out
//! and compared in a later snapshot, until none is left or the timeout ends.

pub use choice::choose;
pub use fresh::{clean_up, verify_fresh};
pub use report::{Difference, Touch, Verification};

mod choice;
mod compare;
mod fresh;
mod report;
mod snapshot;
mod table;
mod trace;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use event_store::{Log, LogError};
use futures::future::BoxFuture;
use tokio::time::{Instant, sleep};

use crate::{database::Database, reader::ReadError};
use compare::Comparison;
use snapshot::{Selection, Snapshot};

/// The time without progress after which the remaining comparisons are given up as undecided.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pause between two snapshots.
const PAUSE: Duration = Duration::from_millis(5);

/// Limits of the cost and output of a verification.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The maximum rate in rows per second, counted once for both generations. For a fresh projection, events per
    /// second.
    pub max_rate: Option<u32>,
    /// True if building a fresh projection leaves most of the time to other work.
    pub gives_way: bool,
    /// The number of differences to report in detail; all are counted.
    pub shown: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_rate: None, gives_way: false, shown: 20 }
    }
}

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

/// Compares two generations of the same tables, both of which are being projected.
pub async fn verify(
    database: &Database,
    log: &Arc<dyn Log>,
    generations: [i32; 2],
    limits: Limits,
) -> Result<Verification, VerifyError> {
    verify_prepared(database, log, generations, limits, &|| Box::pin(async { Ok(()) })).await
}

/// Work to do before each snapshot.
type Preparation<'a> = dyn Fn() -> BoxFuture<'a, Result<(), VerifyError>> + Send + Sync + 'a;

async fn verify_prepared(
    database: &Database,
    log: &Arc<dyn Log>,
    generations: [i32; 2],
    limits: Limits,
    prepare: &Preparation<'_>,
) -> Result<Verification, VerifyError> {
    let begin = Instant::now();
    let mut found = Comparison::new(generations, limits);
    prepare().await?;
    let mut snapshot = Snapshot::open(database, generations).await?;
    let mut pending = snapshot.moving(log.as_ref()).await?;
    pending.merge(found.compare(&mut snapshot, &Selection::AllBut(pending.clone())).await?);
    let (mut passes, mut progress) = (1, Instant::now());
    while !pending.is_empty() && progress.elapsed() < PATIENCE {
        sleep(PAUSE).await;
        prepare().await?;
        snapshot.renew().await?;
        let settled = pending.without(&snapshot.moving(log.as_ref()).await?);
        if !settled.is_empty() {
            pending = pending.without(&settled);
            let before = pending.clone();
            pending.merge(found.compare(&mut snapshot, &Selection::Only(settled)).await?);
            passes += 1;
            if pending == before {
                progress = Instant::now();
            }
        }
    }
    let undecided = pending.names();
    let Comparison { rows, total, differences, partitions, .. } = found;
    let mut verification = Verification {
        generations,
        rows: BTreeMap::from_iter(rows),
        differences: total,
        shown: differences,
        undecided,
        passes,
        seconds: begin.elapsed().as_secs_f64(),
    };
    for difference in &mut verification.shown {
        trace::explain(log.as_ref(), partitions, difference).await?;
    }
    Ok(verification)
}
