//! Waits for changes of the control tables: PostgreSQL notifies of them, so that an idle system asks for nothing.

use std::{convert::Infallible, time::Duration};

use read_model::CONTROL_CHANNEL;
use sqlx::{Acquire, Connection};
use supervision::ticks::next_tick;
use tokio::{
    sync::watch,
    time::{sleep, sleep_until, timeout},
};

use crate::database::Database;

/// The longest time between two looks at the tables, in case that a notification was lost on a connection that seemed
/// to last.
pub(crate) const MAX_WAIT: Duration = Duration::from_mins(2);

/// The interval between two tests of the listening connection, which does not show by itself that it is lost.
const TEST_INTERVAL: Duration = Duration::from_secs(5);

/// Timeout of a test.
const TEST_TIMEOUT: Duration = Duration::from_secs(2);

/// The pause after a failure of the database.
const PAUSE: Duration = Duration::from_millis(500);

/// Notices of changes. Each clone notices every change once.
#[derive(Debug, Clone)]
pub(crate) struct ControlChanges(watch::Receiver<()>);

impl ControlChanges {
    /// Listens until all clones are dropped.
    pub(crate) fn listen(database: Database) -> Self {
        let (notify, changes) = watch::channel(());
        supervision::spawn("the listener for control tables", async move {
            tokio::select! {
                never = run(&database, &notify) => match never {},
                () = notify.closed() => {}
            }
        });
        Self(changes)
    }

    /// Waits until something has changed since the last call. Cancellation-safe.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until something has changed since the last call, but no longer than [`MAX_WAIT`].
    pub(crate) async fn wait(&mut self) {
        // At the limit, the caller looks again.
        let _ = timeout(MAX_WAIT, self.changed()).await;
    }
}

async fn run(database: &Database, notify: &watch::Sender<()>) -> Infallible {
    loop {
        let Err(error) = listen(database, notify).await;
        tracing::debug!(%error, "cannot listen for changes of the control tables");
        sleep(PAUSE).await;
    }
}

async fn listen(database: &Database, notify: &watch::Sender<()>) -> Result<Infallible, sqlx::Error> {
    let mut listener = database.listener(CONTROL_CHANNEL).await?;
    // Anything may have changed before the connection was made, or was made again.
    notify.send_replace(());
    loop {
        tokio::select! {
            notification = listener.try_recv() => {
                notification?;
                notify.send_replace(());
            }
            () = sleep_until(next_tick(TEST_INTERVAL)) => {
                let test = async { listener.acquire().await?.ping().await };
                timeout(TEST_TIMEOUT, test).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
            }
        }
    }
}
