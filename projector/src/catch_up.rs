//! A whole generation brought to the end of the log, once: for rebuilds and for comparisons.

use std::sync::Arc;

use event_store::{Log, StreamName};

use crate::{
    database::Database,
    reader::{ReadError, Reader},
};

/// Projects everything that these streams hold now into a generation, and returns. Sends no notices.
pub async fn catch_up(
    database: &Database,
    log: &Arc<dyn Log>,
    generation: i32,
    streams: &[StreamName],
) -> Result<(), ReadError> {
    for stream in streams {
        let mut reader = Reader::open(database, Arc::clone(log), generation, *stream).await?;
        let end = reader.end();
        // Of read markers the last sequences may be gone: replaced by later ones.
        while reader.checkpoint().position < end && !reader.step().await?.caught_up {}
    }
    Ok(())
}
