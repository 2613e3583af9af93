//! The retirement of generations: marked first, dropped when no query-service reads them any more.

use operator_protocol::{Retire, State};
use sqlx::{AssertSqlSafe, Connection, PgConnection, query, raw_sql};

use super::{
    control::{lock, parse, writable},
    error::{ChangeError, refuse},
};
use crate::database::Database;

/// Retires generations; returns their numbers. They are no longer projected, and [`sweep`] drops their tables.
pub async fn retire(database: &Database, which: &Retire) -> Result<Vec<i32>, ChangeError> {
    let mut connection = database.control().await?;
    let mut transaction = connection.begin().await?;
    lock(&mut transaction).await?;
    let generations = match which {
        Retire::One(number) => {
            require_retirable(&mut transaction, *number).await?;
            vec![*number]
        }
        Retire::AllStandby => {
            let standby = query!(
                "select generation
                 from control.generations
                 where state = 'standby' and model_version = $1
                 order by generation",
                read_model::version()
            );
            standby.fetch_all(&mut *transaction).await?.into_iter().map(|row| row.generation).collect()
        }
    };
    query!(
        "update control.generations
         set state = 'retired', phase = 'retired', retired_at = clock_timestamp(), paused = false
         where generation = any($1)",
        &generations
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    connection.close().await?;
    tracing::info!(?generations, "retired generations");
    Ok(generations)
}

async fn require_retirable(connection: &mut PgConnection, number: i32) -> Result<(), ChangeError> {
    let found = query!("select state, model_version from control.generations where generation = $1", number)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(found) = found else { return refuse(format!("there is no generation {number}")) };
    let others = found.model_version != read_model::version();
    match parse(&found.state)? {
        State::Retired => refuse(format!("generation {number} is retired already")),
        State::Active if !others => refuse(format!("generation {number} is active: reads are served from it")),
        State::Active if has_reader(connection, number).await? => {
            refuse(format!("generation {number} is active: query-services of an older or newer version read it"))
        }
        // Its projectors would begin another one at once.
        _ if others && writable(connection, &found.model_version).await?.1 > 0 => {
            refuse(format!("generation {number} belongs to projectors of another version, which still run"))
        }
        State::Building | State::Ready | State::Active | State::Standby => Ok(()),
    }
}

/// Returns true if a query-service or a notifier has a connection to a generation: its pool's `application_name`
/// contains the number.
async fn has_reader(connection: &mut PgConnection, number: i32) -> Result<bool, sqlx::Error> {
    let found = query!(
        r#"select exists (
             select
             from pg_stat_activity
             where application_name = any($1) and datname = current_database()
           ) as "connected!""#,
        &[format!("query-service g{number}"), format!("notifier g{number}")]
    );
    Ok(found.fetch_one(connection).await?.connected)
}

/// Drops the tables of retired generations that no query-service or notifier reads any more, or that were retired more
/// than a minute ago, in case a reader is stuck. Returns their numbers.
pub async fn sweep(connection: &mut PgConnection) -> Result<Vec<i32>, sqlx::Error> {
    let retired = query!(
        r#"select generation, retired_at < now() - interval '1 minute' as "overdue!"
           from control.generations
           where state = 'retired' and dropped_at is null and retired_at < now() - interval '2 seconds'"#
    );
    let mut dropped = Vec::new();
    for row in retired.fetch_all(&mut *connection).await? {
        let number = row.generation;
        if !row.overdue && has_reader(connection, number).await? {
            continue;
        }
        let mut transaction = connection.begin().await?;
        lock(&mut transaction).await?;
        // A schema name cannot be a parameter; a number is safe to interpolate.
        let drop = AssertSqlSafe(format!("drop schema if exists read_g{number} cascade"));
        raw_sql(drop).execute(&mut *transaction).await?;
        query!("delete from control.leases where generation = $1", number).execute(&mut *transaction).await?;
        query!("update control.generations set dropped_at = now() where generation = $1", number)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        tracing::info!(generation = number, "dropped the tables of a retired generation");
        dropped.push(number);
    }
    Ok(dropped)
}
