//! Locks for tasks that only one projector of a version runs at a time. A lock lasts as long as its connection.

use std::time::Duration;

use sqlx::{PgConnection, query};
use tokio::time::{sleep, timeout};

/// The pause between two attempts.
const TICK: Duration = Duration::from_millis(250);

/// The interval of queries that keep the holder's connection alive during long work.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);

/// Timeout of such a query.
const ANSWER: Duration = Duration::from_secs(1);

/// Waits until this connection acquires the lock of the named task.
pub(crate) async fn acquire(what: &str, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let name = format!("boxroom {what} of {}", read_model::version());
    loop {
        let taken = query!(r#"select pg_try_advisory_lock(hashtextextended($1, 0)) as "taken!""#, name);
        if taken.fetch_one(&mut *connection).await?.taken {
            return Ok(());
        }
        sleep(TICK).await;
    }
}

/// Keeps the lock's connection alive. Returns the error when it is lost.
pub(crate) async fn hold(lock: &mut PgConnection) -> sqlx::Error {
    loop {
        sleep(KEEPALIVE_INTERVAL).await;
        match timeout(ANSWER, query!("select 1 as alive").fetch_one(&mut *lock)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return error,
            Err(_) => return sqlx::Error::PoolTimedOut,
        }
    }
}
