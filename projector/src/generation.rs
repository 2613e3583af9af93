//! Generations of the read model: each is a schema of its own with its checkpoints inside.

use event_store::StreamName;
use sqlx::{AssertSqlSafe, Connection, PgConnection, migrate::MigrateError, query, raw_sql};

use crate::database::Database;

/// A generation that this build writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// Its number: the tables are in schema `read_g<number>`.
    pub number: i32,
    /// Whether it is read; one that is still being built sends no notices.
    pub active: bool,
}

/// A stream, and which life of it a generation is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The stream.
    pub stream: StreamName,
    /// Its incarnation.
    pub incarnation: String,
}

/// Brings the tables that all generations share to what this build needs. Safe to run by several at once.
pub async fn migrate(database: &Database) -> Result<(), MigrateError> {
    let mut connection = database.control().await?;
    let mut migrations = sqlx::migrate!("../migrations/control");
    // In a rolling upgrade this build may start again after a newer one has migrated.
    migrations.set_ignore_missing(true).run(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// The generations of this build's read model that are to be written.
pub async fn written(connection: &mut PgConnection) -> Result<Vec<Generation>, sqlx::Error> {
    let rows = query!(
        "select generation, state
         from control.generations
         where model_version = $1
           and state in ('building', 'active')
         order by generation",
        read_model::version()
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| Generation { number: row.generation, active: row.state == "active" }).collect())
}

/// Creates a generation if there is none of this build's read model. The first generation of all is active at once; a
/// later one has to catch up before somebody activates it.
pub async fn ensure(database: &Database, origins: &[Origin]) -> Result<(), sqlx::Error> {
    let mut connection = database.control().await?;
    let mut transaction = connection.begin().await?;
    lock(&mut transaction).await?;
    if written(&mut transaction).await?.is_empty() {
        let last =
            query!("select max(generation) as last from control.generations").fetch_one(&mut *transaction).await?;
        let number = last.last.unwrap_or_default() + 1;
        build(&mut transaction, number, origins).await?;
        raw_sql(read_model::INDEXES).execute(&mut *transaction).await?;
        if number == 1 {
            query!("update control.generations set state = 'active', activated_at = now() where generation = 1")
                .execute(&mut *transaction)
                .await?;
        }
        tracing::info!(generation = number, "created a generation of the read model");
    }
    transaction.commit().await?;
    connection.close().await
}

/// Creates an empty generation of this number, not active, to be built from these streams. Its secondary indexes are
/// added by [`complete`](crate::complete), when its rows are there.
pub async fn create(database: &Database, number: i32, origins: &[Origin]) -> Result<(), sqlx::Error> {
    let mut connection = database.control().await?;
    let mut transaction = connection.begin().await?;
    lock(&mut transaction).await?;
    build(&mut transaction, number, origins).await?;
    transaction.commit().await?;
    connection.close().await
}

/// One creates generations at a time: projectors start together.
async fn lock(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    query!("select pg_advisory_xact_lock(hashtextextended('boxroom generations', 0)) as locked")
        .fetch_one(connection)
        .await?;
    Ok(())
}

/// Whether there are tables of this number.
pub(crate) async fn exists(database: &Database, number: i32) -> Result<bool, sqlx::Error> {
    let mut connection = database.control().await?;
    let found = query!(r#"select to_regclass($1) is not null as "found!""#, format!("read_g{number}.checkpoints"));
    Ok(found.fetch_one(&mut connection).await?.found)
}

async fn build(connection: &mut PgConnection, number: i32, origins: &[Origin]) -> Result<(), sqlx::Error> {
    make_tables(connection, number, origins).await?;
    query!(
        "insert into control.generations (generation, model_version, state) values ($1, $2, 'building')",
        number,
        read_model::version()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes the empty tables of this number, with checkpoints before the first event. Leaves the `search_path` of the
/// transaction there.
pub(crate) async fn make_tables(
    connection: &mut PgConnection,
    number: i32,
    origins: &[Origin],
) -> Result<(), sqlx::Error> {
    // A schema's name cannot be a parameter; a number can do no harm.
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
    .execute(connection)
    .await?;
    Ok(())
}
