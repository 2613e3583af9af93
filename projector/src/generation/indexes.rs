//! The secondary indexes of a generation that has been filled.

use sqlx::{Connection, query};

use crate::{complete, database::Database};

/// Adds the indexes, renews all statistics, and remembers it. Whoever is interrupted can begin anew.
pub async fn add_indexes(database: &Database, generation: i32) -> Result<(), sqlx::Error> {
    complete(database, generation).await?;
    let mut connection = database.control().await?;
    query!("update control.generations set indexed_at = now() where generation = $1", generation)
        .execute(&mut connection)
        .await?;
    connection.close().await
}
