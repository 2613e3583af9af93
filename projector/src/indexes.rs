//! Indexes and statistics of a generation, made after its rows are written and before it is read.

use sqlx::{AssertSqlSafe, Connection, raw_sql};

use crate::{
    database::Database,
    projection::{
        table::analyze,
        tables::{MESSAGES, projected},
    },
};

/// Adds the secondary indexes of a generation and renews its statistics. Safe to repeat after an interruption: existing
/// indexes are kept. Each index blocks writers of its table while it is made.
pub async fn complete(database: &Database, generation: i32) -> Result<(), sqlx::Error> {
    // The messages' indexes take as long as all others, and are made in parallel with them.
    let largest = MESSAGES.name;
    let smaller: Vec<_> = projected().filter(|table| table.name != largest).collect();
    let of_largest = format!(" on {largest} ");
    let statements = read_model::INDEXES.split_inclusive(';');
    let (indexes_of_largest, others): (Vec<_>, Vec<_>) =
        statements.partition(|statement| statement.contains(&of_largest));
    // Completes both, even if one fails: the server continues a statement whose client has gone.
    let (largest, others) = tokio::join!(
        Box::pin(add(database, generation, indexes_of_largest, analyze(&[&MESSAGES]))),
        Box::pin(add(database, generation, others, analyze(&smaller)))
    );
    largest.and(others)
}

async fn add(
    database: &Database,
    generation: i32,
    indexes: Vec<&'static str>,
    statistics: AssertSqlSafe<String>,
) -> Result<(), sqlx::Error> {
    let mut connection = database.generation(generation).await?;
    raw_sql("set maintenance_work_mem = '256MB'").execute(&mut connection).await?;
    // One statement per request: statements sent together are one transaction.
    for statement in indexes {
        raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
    }
    raw_sql(statistics).execute(&mut connection).await?;
    connection.close().await
}
