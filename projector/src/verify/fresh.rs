//! A temporary projection for a comparison: not listed among the generations, and dropped afterwards.

use std::sync::Arc;

use event_store::Log;
use sqlx::{AssertSqlSafe, Connection, PgConnection, query, raw_sql};
use wire::StreamName;

use super::{
    error::VerifyError,
    limits::Limits,
    passes::verify_prepared,
    report::{FRESH, Verification},
};
use crate::{
    catch_up,
    database::Database,
    generation::{self, Origin},
    reader::Mode,
    throttle::Throttle,
};

/// Projects the whole log into temporary tables and compares a generation with them.
pub async fn verify_fresh(
    database: &Database,
    log: &Arc<dyn Log>,
    generation: i32,
    limits: Limits,
) -> Result<Verification, VerifyError> {
    let mut lock = database.control().await?;
    let taken = query!(r#"select pg_try_advisory_lock(hashtextextended('boxroom fresh projection', 0)) as "taken!""#);
    if !taken.fetch_one(&mut lock).await?.taken {
        let reason = "another comparison with a fresh projection is running";
        return Err(VerifyError::Refused(reason.to_owned()));
    }
    let streams = streams_of(database, generation).await?;
    let mut origins = Vec::new();
    for stream in &streams {
        origins.push(Origin { stream: *stream, incarnation: log.state(*stream).await?.incarnation });
    }
    // A process that was killed may have left its tables.
    drop_tables(&mut lock).await?;
    let mut transaction = lock.begin().await?;
    generation::create_tables(&mut transaction, FRESH, &origins).await?;
    transaction.commit().await?;
    let throttle = Throttle::default();
    throttle.limit(limits.max_rate);
    throttle.set_low_priority(limits.low_priority);
    let mode = Mode::Building(throttle);
    let catch_up_again = || -> futures::future::BoxFuture<'_, _> {
        Box::pin(async { Ok(catch_up(database, log, FRESH, &streams, &mode).await?) })
    };
    let result = verify_prepared(database, log, [generation, FRESH], limits, &catch_up_again).await;
    drop_tables(&mut lock).await?;
    lock.close().await?;
    result
}

/// Drops the tables of an interrupted comparison.
pub async fn clean_up(database: &Database) -> Result<(), VerifyError> {
    let mut connection = database.control().await?;
    drop_tables(&mut connection).await?;
    Ok(connection.close().await?)
}

async fn drop_tables(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let sql = AssertSqlSafe(format!("drop schema if exists read_g{FRESH} cascade"));
    raw_sql(sql).execute(connection).await?;
    Ok(())
}

/// Returns the streams that a generation is projected from.
async fn streams_of(database: &Database, generation: i32) -> Result<Vec<StreamName>, VerifyError> {
    if !generation::exists(database, generation).await? {
        return Err(VerifyError::Refused(format!("there is no generation {generation}, or its tables are gone")));
    }
    let mut connection = database.generation(generation).await?;
    let rows = query!("select stream from checkpoints order by stream").fetch_all(&mut connection).await?;
    Ok(rows.iter().filter_map(|row| row.stream.parse().ok()).collect())
}
