//! What a generation needs before it is read: indexes and statistics, made when its rows are there.

use sqlx::{AssertSqlSafe, Connection, raw_sql};

use crate::database::Database;

/// Adds the secondary indexes of a generation and renews its statistics. Whoever is interrupted runs it again: what is
/// there stays. Each index keeps writers off its table while it is made.
pub async fn complete(database: &Database, generation: i32) -> Result<(), sqlx::Error> {
    let mut connection = database.generation(generation).await?;
    raw_sql("set maintenance_work_mem = '256MB'").execute(&mut connection).await?;
    // One by one: statements sent together are one transaction.
    for statement in read_model::INDEXES.split_inclusive(';') {
        raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
    }
    let tables = "analyze boxes, rooms, members, user_rooms, messages, room_events, alarms, users, devices, stores, read_markers";
    raw_sql(tables).execute(&mut connection).await?;
    connection.close().await
}
