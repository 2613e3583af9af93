//! Shares the streams of boxes out among the running notifiers. Each stream belongs to the one that holds its lock,
//! which lasts as long as the connection.

use std::{collections::BTreeMap, convert::Infallible, future::pending, time::Duration};

use read_model::CONTROL_CHANNEL;
use sqlx::{Acquire, PgConnection, postgres::PgListener, query};
use supervision::ticks::next_tick;
use tokio::{
    task::AbortHandle,
    time::{sleep, sleep_until, timeout},
};

use crate::{
    app::App,
    database::{CHANGES, ping},
    status::Status,
    worker,
};

/// The channel on which notifiers announce themselves.
const CHANNEL: &str = "boxroom_notifiers";

/// The name of the lock that every running notifier shares.
const PRESENCE: &str = "boxroom notifiers";

/// The interval of messages that keep the connection alive. The server ends it after four idle seconds.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);

/// The interval at which a notifier without all streams looks for free ones.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Timeout of a statement, after which the locks count as lost.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(2);

/// The pause after the connection was lost.
const RETRY: Duration = Duration::from_secs(1);

/// The streams of this notifier and their workers.
struct Shares {
    app: App,
    locks: PgListener,
    workers: BTreeMap<String, AbortHandle>,
}

/// Takes part until dropped.
pub(crate) async fn share(app: App) -> Infallible {
    loop {
        let Err(error) = take_part(&app).await;
        tracing::debug!(%error, "the locks of the streams are lost");
        app.status.unavailable(error.to_string());
        sleep(RETRY).await;
    }
}

async fn take_part(app: &App) -> Result<Infallible, sqlx::Error> {
    app.database.migrate().await.map_err(|error| sqlx::Error::Migrate(Box::new(error)))?;
    let locks = app.database.locks(&[CHANNEL, CHANGES, CONTROL_CHANNEL]).await?;
    let mut shares = Shares { app: app.clone(), locks, workers: BTreeMap::new() };
    shares.announce().await?;
    loop {
        shares.balance().await?;
        shares.wait().await?;
    }
}

impl Shares {
    async fn announce(&mut self) -> Result<(), sqlx::Error> {
        let announced = query!(
            "select pg_advisory_lock_shared(hashtextextended($1, 0)) as present, pg_notify($2, '') as sent",
            PRESENCE,
            CHANNEL
        );
        with_timeout(announced.fetch_one(self.locks.acquire().await?)).await?;
        Ok(())
    }

    /// Takes or gives back streams until this notifier has its share.
    async fn balance(&mut self) -> Result<(), sqlx::Error> {
        let streams = self.app.streams.clone();
        let notifiers = with_timeout(running(self.locks.acquire().await?)).await?;
        let share = streams.len().div_ceil(notifiers.max(1));
        while self.workers.len() > share {
            let Some((stream, worker)) = self.workers.pop_last() else { break };
            worker.abort();
            let unlocked = query!("select pg_advisory_unlock(hashtextextended($1, 0)) as unlocked", lock_name(&stream));
            with_timeout(unlocked.fetch_one(self.locks.acquire().await?)).await?;
            // The others wait for it.
            let announced = query!("select pg_notify($1, '') as sent", CHANNEL);
            with_timeout(announced.fetch_one(self.locks.acquire().await?)).await?;
            self.app.status.set(&stream, Status::Standby);
        }
        for stream in &streams {
            if self.workers.len() >= share {
                break;
            }
            if self.workers.contains_key(stream) {
                continue;
            }
            let lock = query!(r#"select pg_try_advisory_lock(hashtextextended($1, 0)) as "taken!""#, lock_name(stream));
            if with_timeout(lock.fetch_one(self.locks.acquire().await?)).await?.taken {
                let worker = worker::run(self.app.clone(), stream.clone());
                self.app.status.set(stream, Status::Starting);
                self.workers.insert(stream.clone(), supervision::spawn("the worker of a stream", worker));
            } else {
                self.app.status.set(stream, Status::Standby);
            }
        }
        self.app.status.available();
        Ok(())
    }

    /// Waits until the shares may have changed, and keeps the connection alive.
    async fn wait(&mut self) -> Result<(), sqlx::Error> {
        let has_all = self.workers.len() == self.app.streams.len();
        let look = async { if has_all { pending().await } else { sleep_until(next_tick(LOOK_INTERVAL)).await } };
        tokio::pin!(look);
        loop {
            tokio::select! {
                notification = self.locks.try_recv() => {
                    let notification = notification?.ok_or(sqlx::Error::WorkerCrashed)?;
                    match notification.channel() {
                        CHANGES => self.app.operator_changed(),
                        // Another generation may be active.
                        CONTROL_CHANNEL => self.app.wakeups.wake_all(),
                        _ => return Ok(()),
                    }
                }
                () = &mut look => return Ok(()),
                () = sleep_until(next_tick(KEEPALIVE_INTERVAL)) => {}
            }
            ping(self.locks.acquire().await?, STATEMENT_TIMEOUT).await?;
        }
    }
}

impl Drop for Shares {
    fn drop(&mut self) {
        for worker in self.workers.values() {
            worker.abort();
        }
    }
}

/// Returns the number of running notifiers, this one included.
async fn running(connection: &mut PgConnection) -> Result<usize, sqlx::Error> {
    let holders = query!(
        r#"select count(*) as "count!"
           from pg_locks
           where locktype = 'advisory'
             and objsubid = 1
             and mode = 'ShareLock'
             and granted
             and database = (select oid from pg_database where datname = current_database())
             and (classid::bigint << 32) | objid::bigint = hashtextextended($1, 0)"#,
        PRESENCE
    );
    Ok(usize::try_from(holders.fetch_one(connection).await?.count).unwrap_or(1))
}

fn lock_name(stream: &str) -> String {
    format!("boxroom notifier {stream}")
}

async fn with_timeout<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    timeout(STATEMENT_TIMEOUT, answer).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
