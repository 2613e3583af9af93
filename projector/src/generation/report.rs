//! The status of every generation, read from the control tables and the generations themselves.

use std::collections::BTreeMap;

use operator_protocol::{GenerationReport, Report, StreamReport};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, query, query_scalar};

use super::{control::parse, error::ChangeError, positions::Positions, writable};
use crate::{database::Database, eraser};

/// Reports all generations that have tables. `ends` holds the known ends of the log's streams.
pub async fn report(database: &Database, ends: &BTreeMap<String, u64>) -> Result<Report, ChangeError> {
    let mut connection = database.control().await?;
    let mut generations = Vec::new();
    let rows = query!(
        r#"select generation, model_version, state, goal, phase, paused, max_rate, low_priority, created_at,
             activated_at, verified_at, verification as "verification: Value", failure
           from control.generations
           where dropped_at is null
           order by generation"#
    );
    for row in rows.fetch_all(&mut connection).await? {
        generations.push(GenerationReport {
            streams: streams(&mut connection, row.generation, ends).await?,
            generation: row.generation,
            model_version: row.model_version,
            state: parse(&row.state)?,
            goal: parse(&row.goal)?,
            phase: row.phase,
            paused: row.paused,
            max_rate: row.max_rate,
            low_priority: row.low_priority,
            created_at: row.created_at,
            activated_at: row.activated_at,
            verified_at: row.verified_at,
            verification: row.verification,
            failure: row.failure,
            seconds_left: None,
        });
    }
    let model_version = read_model::version();
    let (_, projectors) = writable(&mut connection, &model_version).await?;
    let erasures = eraser::report(&mut connection).await?;
    connection.close().await?;
    Ok(Report { model_version, projectors, generations, erasures })
}

async fn streams(
    connection: &mut PgConnection,
    generation: i32,
    ends: &BTreeMap<String, u64>,
) -> Result<Vec<StreamReport>, sqlx::Error> {
    // The schema may have been dropped in the meantime.
    let schema = query_scalar!("select to_regclass($1)::text", format!("read_g{generation}.checkpoints"));
    if schema.fetch_one(&mut *connection).await?.is_none() {
        return Ok(Vec::new());
    }
    let positions = Positions::of(connection, generation).await?;
    let quarantined = quarantined(connection, generation).await?;
    let leases = query!("select stream, holder, progress from control.leases where generation = $1", generation)
        .fetch_all(connection)
        .await?;
    let report = positions.0.into_iter().map(|(stream, position)| {
        let end = ends.get(&stream).copied();
        let lease = leases.iter().find(|lease| lease.stream == stream);
        StreamReport {
            position,
            end,
            lag: end.map(|end| end.saturating_sub(position)),
            events_per_second: None,
            holder: lease.map(|lease| lease.holder.clone()),
            progress: lease.map_or_else(|| "no lease".to_owned(), |lease| lease.progress.clone()),
            quarantined_boxes: quarantined.get(&stream).copied().unwrap_or_default(),
            stream,
        }
    });
    Ok(report.collect())
}

async fn quarantined(connection: &mut PgConnection, generation: i32) -> Result<BTreeMap<String, i64>, sqlx::Error> {
    let sql = format!("select stream, count(*) as boxes from read_g{generation}.quarantined_boxes group by stream");
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get("stream")?, row.try_get("boxes")?))).collect()
}
