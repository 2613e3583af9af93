//! Operators' requests to retry quarantined boxes, for the projectors that hold the streams' leases.

use std::{collections::HashMap, time::Duration};

use sqlx::query;
use tokio::{sync::watch, time::sleep};

use crate::{database::Database, status::Track};

/// The interval of polling the control tables.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// The pending retries. Cheap to clone. It stays unchanged after its task has ended.
#[derive(Debug, Clone)]
pub(crate) struct Retries {
    wanted: watch::Receiver<HashMap<Track, i64>>,
}

impl Retries {
    /// Polls until all clones are dropped.
    pub(crate) fn listen(database: Database) -> Self {
        let (known, wanted) = watch::channel(HashMap::new());
        supervision::spawn("the watcher of retries", async move {
            while !known.is_closed() {
                // The other users of the database report that it is unavailable.
                let _ = poll(&database, &known).await;
                sleep(POLL_INTERVAL).await;
            }
        });
        Self { wanted }
    }

    /// Returns the number of the pending retry of a track, if there is one.
    pub(crate) fn of(&self, track: Track) -> Option<i64> {
        self.wanted.borrow().get(&track).copied()
    }

    /// Waits until a later retry than this one is requested.
    pub(crate) async fn wait_for_later(&self, track: Track, known: Option<i64>) {
        let mut wanted = self.wanted.clone();
        let more = wanted.wait_for(|wanted| wanted.get(&track).copied() > known).await.is_ok();
        if !more {
            std::future::pending::<()>().await;
        }
    }
}

async fn poll(database: &Database, known: &watch::Sender<HashMap<Track, i64>>) -> Result<(), sqlx::Error> {
    let mut connection = database.control().await?;
    while !known.is_closed() {
        let rows = query!("select generation, stream, wanted from control.retries where wanted > done");
        let rows = rows.fetch_all(&mut connection).await?;
        let wanted = rows.iter().filter_map(|row| Some(((row.generation, row.stream.parse().ok()?), row.wanted)));
        let wanted: HashMap<Track, i64> = wanted.collect();
        known.send_if_modified(|known| {
            let is_new = *known != wanted;
            *known = wanted;
            is_new
        });
        sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

/// Records that retries up to this number are done.
pub(crate) async fn mark_done(
    database: &Database,
    (generation, stream): Track,
    wanted: i64,
) -> Result<(), sqlx::Error> {
    let mut connection = database.control().await?;
    query!(
        "update control.retries set done = greatest(done, $3) where generation = $1 and stream = $2",
        generation,
        stream.label(),
        wanted
    )
    .execute(&mut connection)
    .await?;
    Ok(())
}
