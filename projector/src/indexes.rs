//! Indexes and statistics of a generation, made after its rows are written and before it is read.

use sqlx::{AssertSqlSafe, Connection, raw_sql};

use crate::database::Database;

/// The table whose indexes take as long as all others; they are made in parallel with the others.
const LARGEST: &str = " on messages ";

const STATISTICS: &str =
    "analyze boxes, rooms, members, user_rooms, room_events, alarms, users, devices, stores, read_markers";
const STATISTICS_OF_LARGEST: &str = "analyze messages";

/// Adds the secondary indexes of a generation and renews its statistics. Safe to repeat after an interruption: existing
/// indexes are kept. Each index blocks writers of its table while it is made.
pub async fn complete(database: &Database, generation: i32) -> Result<(), sqlx::Error> {
    let statements = read_model::INDEXES.split_inclusive(';');
    let (largest, others): (Vec<_>, Vec<_>) = statements.partition(|statement| statement.contains(LARGEST));
    // Completes both, even if one fails: the server continues a statement whose client has gone.
    let (largest, others) = tokio::join!(
        Box::pin(add(database, generation, largest, STATISTICS_OF_LARGEST)),
        Box::pin(add(database, generation, others, STATISTICS))
    );
    largest.and(others)
}

async fn add(
    database: &Database,
    generation: i32,
    indexes: Vec<&'static str>,
    statistics: &'static str,
) -> Result<(), sqlx::Error> {
    let mut connection = database.generation(generation).await?;
    raw_sql("set maintenance_work_mem = '256MB'").execute(&mut connection).await?;
    // One statement per request: statements sent together are one transaction.
    for statement in indexes.into_iter().chain([statistics]) {
        raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
    }
    connection.close().await
}
