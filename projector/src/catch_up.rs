//! Brings a whole generation to the end of the log once, for rebuilds and comparisons.

use std::sync::Arc;

use event_store::Log;
use tokio::{task::JoinSet, time::Instant};
use wire::StreamName;

use crate::{
    database::Database,
    read_error::ReadError,
    reader::{Mode, Reader},
};

/// Projects everything that these streams hold now into a generation, in parallel, and returns. Sends no notifications.
pub async fn catch_up(
    database: &Database,
    log: &Arc<dyn Log>,
    generation: i32,
    streams: &[StreamName],
    mode: &Mode,
) -> Result<(), ReadError> {
    let mut tasks = JoinSet::new();
    for stream in streams {
        let (database, log, stream, mode) = (database.clone(), Arc::clone(log), *stream, mode.clone());
        tasks.spawn(async move {
            let mut reader = Reader::open(&database, log, generation, stream, mode.clone()).await?;
            let end = reader.end();
            // The last sequences of the read markers may be gone, replaced by later ones.
            while reader.checkpoint().position < end {
                let begin = Instant::now();
                if reader.step().await?.caught_up {
                    break;
                }
                if let Mode::Building(throttle) = &mode {
                    throttle.rest(begin.elapsed()).await;
                }
            }
            Ok::<_, ReadError>(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
    }
    Ok(())
}
