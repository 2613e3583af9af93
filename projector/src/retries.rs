//! Operators' requests to retry quarantined boxes, for the projectors that hold the streams' leases.

use std::{collections::HashMap, convert::Infallible, time::Duration};

use sqlx::query;
use tokio::{sync::watch, time::sleep};

use crate::{control_changes::ControlChanges, database::Database, status::Track};

/// The pause after a failure of the database.
const PAUSE: Duration = Duration::from_secs(2);

/// The pending retries. Cheap to clone. It stays unchanged after its task has ended.
#[derive(Debug, Clone)]
pub(crate) struct Retries {
    wanted: watch::Receiver<HashMap<Track, i64>>,
}

impl Retries {
    /// Reads the pending retries whenever they change, until all clones are dropped.
    pub(crate) fn watch(database: Database, changes: ControlChanges) -> Self {
        let (known, wanted) = watch::channel(HashMap::new());
        supervision::spawn("the watcher of retries", async move {
            tokio::select! {
                never = run(&database, changes, &known) => match never {},
                () = known.closed() => {}
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

async fn run(
    database: &Database,
    mut changes: ControlChanges,
    known: &watch::Sender<HashMap<Track, i64>>,
) -> Infallible {
    loop {
        // The other users of the database report that it is unavailable.
        let Err(error) = read(database, &mut changes, known).await;
        tracing::debug!(%error, "cannot read the pending retries");
        sleep(PAUSE).await;
    }
}

async fn read(
    database: &Database,
    changes: &mut ControlChanges,
    known: &watch::Sender<HashMap<Track, i64>>,
) -> Result<Infallible, sqlx::Error> {
    let mut connection = database.control().await?;
    loop {
        let rows = query!("select generation, stream, wanted from control.retries where wanted > done");
        let rows = rows.fetch_all(&mut connection).await?;
        let wanted = rows.iter().filter_map(|row| Some(((row.generation, row.stream.parse().ok()?), row.wanted)));
        let wanted: HashMap<Track, i64> = wanted.collect();
        known.send_if_modified(|known| {
            let is_new = *known != wanted;
            *known = wanted;
            is_new
        });
        changes.wait().await;
    }
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
