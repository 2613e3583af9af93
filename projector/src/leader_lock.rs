//! Locks for tasks that only one projector of a version runs at a time. A lock lasts as long as its connection.

use std::time::Duration;

use sqlx::{Connection, PgConnection, query};
use supervision::ticks::next_tick;
use tokio::time::{sleep_until, timeout};

/// The longest time for which a connection waits for the lock before it counts as lost. The server answers earlier.
const WAIT_LIMIT: Duration = Duration::from_secs(25);

/// PostgreSQL's code of a statement that has waited for a lock as long as `lock_timeout`.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// The interval of messages that keep the holder's connection alive.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);

/// Timeout of an answer to such a message.
const ANSWER: Duration = Duration::from_secs(1);

/// Waits until this connection acquires the lock of the named task.
pub(crate) async fn acquire(what: &str, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let name = format!("boxroom {what} of {}", read_model::version());
    loop {
        let acquired = query!("select pg_advisory_lock(hashtextextended($1, 0)) as acquired", name);
        match timeout(WAIT_LIMIT, acquired.fetch_one(&mut *connection)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) if is_lock_timeout(&error) => {}
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(sqlx::Error::PoolTimedOut),
        }
    }
}

fn is_lock_timeout(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == LOCK_NOT_AVAILABLE)
}

/// Keeps the lock's connection alive. Returns the error when it is lost.
pub(crate) async fn hold(lock: &mut PgConnection) -> sqlx::Error {
    loop {
        sleep_until(next_tick(KEEPALIVE_INTERVAL)).await;
        match timeout(ANSWER, lock.ping()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error,
            Err(_) => return sqlx::Error::PoolTimedOut,
        }
    }
}
