//! The control table of the generations.

use std::str::FromStr;

use sqlx::{PgConnection, query};

use super::state::{Generation, Pace};

/// Returns this build's generations to write now: neither retired, paused nor being indexed.
pub async fn written(connection: &mut PgConnection) -> Result<Vec<Generation>, sqlx::Error> {
    let rows = query!(
        "select generation, state, max_rate, low_priority
         from control.generations
         where model_version = $1
           and state <> 'retired'
           and phase <> 'indexing'
           and not paused
         order by generation",
        read_model::version()
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let max_rate = row.max_rate.and_then(|rate| u32::try_from(rate).ok());
            let pace = Pace { max_rate, low_priority: row.low_priority };
            Ok(Generation { number: row.generation, state: parsed(&row.state)?, pace })
        })
        .collect()
}

/// Locks all generations for the current transaction: one change at a time.
pub(super) async fn lock(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    query!("select pg_advisory_xact_lock(hashtextextended('boxroom generations', 0)) as locked")
        .fetch_one(connection)
        .await?;
    Ok(())
}

/// Parses a word of the control tables.
pub(super) fn parsed<T: FromStr<Err = String>>(word: &str) -> Result<T, sqlx::Error> {
    word.parse().map_err(|error: String| sqlx::Error::Decode(error.into()))
}
