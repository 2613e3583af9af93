//! The passes of a comparison: one snapshot after another, until no group of rows is left.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use event_store::Log;
use futures::future::BoxFuture;
use tokio::time::{Instant, sleep};

use super::{
    compare::Comparison,
    error::VerifyError,
    limits::Limits,
    report::Verification,
    snapshot::{Selection, Snapshot},
    trace,
};
use crate::database::Database;

/// The time without progress after which the remaining comparisons are reported as undecided.
const STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause between two snapshots.
const PAUSE: Duration = Duration::from_millis(5);

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
pub(super) type Preparation<'a> = dyn Fn() -> BoxFuture<'a, Result<(), VerifyError>> + Send + Sync + 'a;

/// Compares two generations after work before each snapshot.
pub(super) async fn verify_prepared(
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
    while !pending.is_empty() && progress.elapsed() < STALL_TIMEOUT {
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
