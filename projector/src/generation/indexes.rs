//! The secondary indexes of a filled generation.

use sqlx::{Connection, query};

use crate::{database::Database, indexes::complete};

/// Adds the indexes, renews all statistics, and records it. Safe to repeat after an interruption.
pub async fn add_indexes(database: &Database, generation: i32) -> Result<(), sqlx::Error> {
    complete(database, generation).await?;
    let mut connection = database.control().await?;
    query!("update control.generations set indexed_at = now() where generation = $1", generation)
        .execute(&mut connection)
        .await?;
    connection.close().await
}
