//! The control table of the generations.

use std::str::FromStr;

use sqlx::{PgConnection, query};

use super::state::{BuildLimits, Generation};

/// Returns the generations of a version to write now (neither retired, paused nor being indexed) and the number of
/// running projectors of this version. Each of them holds one shared lock on its lease connection. One query, because
/// it runs often.
pub async fn writable(
    connection: &mut PgConnection,
    model_version: &str,
) -> Result<(Vec<Generation>, i64), sqlx::Error> {
    let rows = query!(
        r#"select running.count as "projectors!", generation as "generation?", state as "state?", max_rate,
             low_priority as "low_priority?"
           from (
             select count(*)
             from pg_locks
             where locktype = 'advisory'
               and objsubid = 1
               and mode = 'ShareLock'
               and granted
               and database = (select oid from pg_database where datname = current_database())
               and (classid::bigint << 32) | objid::bigint = hashtextextended($2, 0)
           ) as running
           left join control.generations
             on model_version = $1 and state <> 'retired' and phase <> 'indexing' and not paused
           order by generation"#,
        model_version,
        presence_name(model_version)
    )
    .fetch_all(connection)
    .await?;
    let projectors = rows.first().map_or(0, |row| row.projectors);
    let mut generations = Vec::with_capacity(rows.len());
    for row in rows {
        let (Some(number), Some(state), Some(low_priority)) = (row.generation, row.state, row.low_priority) else {
            continue;
        };
        let max_rate = row.max_rate.and_then(|rate| u32::try_from(rate).ok());
        generations.push(Generation { number, state: parse(&state)?, limits: BuildLimits { max_rate, low_priority } });
    }
    Ok((generations, projectors))
}

/// The name of the lock that every running projector of a version shares.
pub(crate) fn presence_name(model_version: &str) -> String {
    format!("boxroom projectors of {model_version}")
}

/// Locks all generations for the current transaction: one change at a time.
pub(super) async fn lock(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    query!("select pg_advisory_xact_lock(hashtextextended('boxroom generations', 0)) as locked")
        .fetch_one(connection)
        .await?;
    Ok(())
}

/// Parses a word of the control tables.
pub(super) fn parse<T: FromStr<Err = String>>(text: &str) -> Result<T, sqlx::Error> {
    text.parse().map_err(|error: String| sqlx::Error::Decode(error.into()))
}
