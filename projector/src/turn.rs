//! What only one projector of a version does at a time: whoever holds the turn, for as long as its connection lasts.

use std::time::Duration;

use sqlx::{PgConnection, query};
use tokio::time::{sleep, timeout};

/// The pause between two attempts.
const TICK: Duration = Duration::from_millis(250);

/// How often the server hears that the holder is alive while it works on something long.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// Waits for the turn to be the one who does this.
pub(crate) async fn wait(what: &str, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let name = format!("boxroom {what} of {}", read_model::version());
    loop {
        let taken = query!(r#"select pg_try_advisory_lock(hashtextextended($1, 0)) as "taken!""#, name);
        if taken.fetch_one(&mut *connection).await?.taken {
            return Ok(());
        }
        sleep(TICK).await;
    }
}

/// Keeps the turn; returns when it is lost.
pub(crate) async fn keep(turn: &mut PgConnection) -> sqlx::Error {
    loop {
        sleep(SIGN_OF_LIFE).await;
        match timeout(SIGN_OF_LIFE, query!("select 1 as alive").fetch_one(&mut *turn)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return error,
            Err(_) => return sqlx::Error::PoolTimedOut,
        }
    }
}
