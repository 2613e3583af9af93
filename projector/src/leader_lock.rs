//! Locks for tasks that only one projector of a version runs at a time. A lock lasts as long as its connection.

use std::time::Duration;

use sqlx::{Connection, PgConnection, query};
use supervision::ticks::next_tick;
use tokio::time::{sleep_until, timeout};

/// The interval between two attempts. A statement that waits for the lock would keep dead rows from being removed.
const ATTEMPT_INTERVAL: Duration = Duration::from_secs(1);

/// The interval of messages that keep the holder's connection alive.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);

/// Timeout of an answer to such a message.
const ANSWER: Duration = Duration::from_secs(1);

/// Waits until this connection acquires the lock of the named task.
pub(crate) async fn acquire(what: &str, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let name = format!("boxroom {what} of {}", read_model::version());
    loop {
        let taken = query!(r#"select pg_try_advisory_lock(hashtextextended($1, 0)) as "taken!""#, name);
        if taken.fetch_one(&mut *connection).await?.taken {
            return Ok(());
        }
        sleep_until(next_tick(ATTEMPT_INTERVAL)).await;
    }
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
