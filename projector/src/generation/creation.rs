//! The creation of generations.

use event_store::{Log, LogError};
use operator_protocol::{Goal, Rebuild, State};
use sqlx::{AssertSqlSafe, Connection, PgConnection, query, query_scalar, raw_sql};
use wire::{StreamName, streams};

use super::{
    control::{lock, parse},
    error::{ChangeError, refuse},
};
use crate::database::Database;

/// A stream, and its incarnation from which a generation is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The stream.
    pub stream: StreamName,
    /// Its incarnation.
    pub incarnation: String,
}

impl Origin {
    /// Reads the current incarnation of every stream.
    pub async fn of_all(log: &dyn Log, partitions: u16) -> Result<Vec<Self>, LogError> {
        let mut origins = Vec::new();
        for stream in streams(partitions) {
            origins.push(Self { stream, incarnation: log.state(stream).await?.incarnation });
        }
        Ok(origins)
    }
}

/// Creates a generation if there is none of this build's read model. The very first generation is active at once; a
/// later one is activated by the driver when it has caught up.
pub async fn ensure(database: &Database, origins: &[Origin]) -> Result<(), sqlx::Error> {
    let mut connection = database.control().await?;
    let mut transaction = connection.begin().await?;
    lock(&mut transaction).await?;
    let present = query_scalar!(
        "select generation from control.generations where model_version = $1 and state <> 'retired'",
        read_model::version()
    );
    if present.fetch_all(&mut *transaction).await?.is_empty() {
        let number = next_number(&mut transaction).await?;
        build(&mut transaction, number, origins).await?;
        if number == 1 {
            raw_sql(read_model::INDEXES).execute(&mut *transaction).await?;
            query!(
                "update control.generations
                 set state = 'active',
                     phase = 'active',
                     indexed_at = now(),
                     ready_at = now(),
                     activated_at = now()
                 where generation = 1"
            )
            .execute(&mut *transaction)
            .await?;
        }
        tracing::info!(generation = number, "created a generation of the read model");
    }
    transaction.commit().await?;
    connection.close().await
}

/// Creates an empty, inactive generation with this number, to be built from these streams.
pub async fn create(database: &Database, number: i32, origins: &[Origin]) -> Result<(), sqlx::Error> {
    let mut connection = database.control().await?;
    let mut transaction = connection.begin().await?;
    lock(&mut transaction).await?;
    build(&mut transaction, number, origins).await?;
    query!("update control.generations set goal = 'ready' where generation = $1", number)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    connection.close().await
}

/// Begins a generation beside the active one and returns its number. Refuses while another one is being built.
pub async fn rebuild(database: &Database, origins: &[Origin], request: &Rebuild) -> Result<i32, ChangeError> {
    let mut connection = database.control().await?;
    let mut transaction = connection.begin().await?;
    lock(&mut transaction).await?;
    if let Some(reason) = describe_unfinished(&mut transaction).await? {
        return refuse(reason);
    }
    let number = next_number(&mut transaction).await?;
    build(&mut transaction, number, origins).await?;
    query!(
        "update control.generations set goal = $2, max_rate = $3, low_priority = $4 where generation = $1",
        number,
        request.to.as_str(),
        request.max_rate.map(|rate| i32::try_from(rate).unwrap_or(i32::MAX)),
        request.low_priority
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    connection.close().await?;
    tracing::info!(generation = number, goal = %request.to, "started to build a generation");
    Ok(number)
}

/// Describes the generation of this version that has not reached its goal yet, if any.
async fn describe_unfinished(connection: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    let row = query!(
        "select generation, state, goal
         from control.generations
         where model_version = $1
           and (state = 'building'
             or state = 'ready' and goal = 'verified' and verification is null
             or state = 'ready' and goal = 'active'
               and coalesce(verification ->> 'outcome', 'equal') in ('equal', 'skipped'))
         limit 1",
        read_model::version()
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let (state, goal): (State, Goal) = (parse(&row.state)?, parse(&row.goal)?);
    Ok(Some(format!("generation {} is {state} on its way to {goal}: wait for it, or retire it", row.generation)))
}

async fn next_number(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    let last = query!("select max(generation) as last from control.generations").fetch_one(connection).await?;
    Ok(last.last.unwrap_or_default() + 1)
}

async fn build(connection: &mut PgConnection, number: i32, origins: &[Origin]) -> Result<(), sqlx::Error> {
    create_tables(connection, number, origins).await?;
    query!(
        "insert into control.generations (generation, model_version, state) values ($1, $2, 'building')",
        number,
        read_model::version()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Creates the empty tables of a generation with all checkpoints at 0. Leaves the transaction's `search_path` at its
/// schema.
pub(crate) async fn create_tables(
    connection: &mut PgConnection,
    number: i32,
    origins: &[Origin],
) -> Result<(), sqlx::Error> {
    // A schema name cannot be a parameter; a number is safe to interpolate.
    let schema = AssertSqlSafe(format!("create schema read_g{number}; set local search_path to read_g{number};"));
    raw_sql(schema).execute(&mut *connection).await?;
    raw_sql(read_model::TABLES).execute(&mut *connection).await?;
    let grants = AssertSqlSafe(format!(
        "grant usage on schema read_g{number} to query; grant select on all tables in schema read_g{number} to query;"
    ));
    raw_sql(grants).execute(&mut *connection).await?;
    let streams: Vec<String> = origins.iter().map(|origin| origin.stream.label()).collect();
    let incarnations: Vec<&str> = origins.iter().map(|origin| origin.incarnation.as_str()).collect();
    query!(
        "insert into checkpoints (stream, incarnation, position, updated_at)
         select stream, incarnation, 0, now()
         from unnest($1::text[], $2::text[]) as origin (stream, incarnation)",
        &streams,
        &incarnations as &[&str]
    )
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// Returns true if this generation has tables.
pub(crate) async fn exists(database: &Database, number: i32) -> Result<bool, sqlx::Error> {
    let mut connection = database.control().await?;
    let found = query!(r#"select to_regclass($1) is not null as "found!""#, format!("read_g{number}.checkpoints"));
    Ok(found.fetch_one(&mut connection).await?.found)
}
