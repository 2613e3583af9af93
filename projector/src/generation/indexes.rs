//! The secondary indexes of a generation that has been filled.

use sqlx::{Connection, PgConnection, query, raw_sql};

use crate::database::Database;

/// Adds the indexes and renews all statistics. Whoever is interrupted can begin anew.
pub async fn add_indexes(database: &Database, generation: i32) -> Result<(), sqlx::Error> {
    let mut connection = database.generation(generation).await?;
    raw_sql(
        "set lock_timeout = '30s';
         set maintenance_work_mem = '256MB';
         set client_connection_check_interval = '1s';",
    )
    .execute(&mut connection)
    .await?;
    raw_sql(read_model::INDEXES).execute(&mut connection).await?;
    analyze(&mut connection).await?;
    query!("update control.generations set indexed_at = now() where generation = $1", generation)
        .execute(&mut connection)
        .await?;
    connection.close().await
}

async fn analyze(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    raw_sql(
        "analyze boxes, rooms, members, user_rooms, messages, room_events, alarms, users, devices, stores, read_markers",
    )
    .execute(connection)
    .await?;
    Ok(())
}
