//! Quarantined boxes for operators, over all generations.

pub use retry::retry;

mod retry;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::BoxId;
use event_store::{
    Log, LogError,
    log::{Freshness, history::event_types},
};
use operator_protocol::{FailedEvent, QuarantinedBox, QuarantinedBoxes, ShownBox};
use serde_json::Value;
use sqlx::{AssertSqlSafe, FromRow, PgConnection, query, query_as};
use wire::StreamName;

use crate::{
    database::Database,
    generation::{self, ChangeError},
};

/// The maximum number of boxes in one answer.
const LISTED: usize = 1000;

#[derive(FromRow)]
struct Row {
    box_id: String,
    stream: String,
    position: i64,
    reason: String,
    quarantined_at: DateTime<Utc>,
    waiting: i64,
}

/// Returns every quarantined box of every projected generation, by box and sequence.
pub async fn list(database: &Database) -> Result<Vec<QuarantinedBox>, sqlx::Error> {
    let mut connection = database.control().await?;
    let rows = query!("select generation from control.generations where state <> 'retired' order by generation");
    let mut found: BTreeMap<(String, u64), QuarantinedBox> = BTreeMap::new();
    for generation in rows.fetch_all(&mut connection).await?.iter().map(|row| row.generation) {
        if !generation::exists(database, generation).await? {
            continue;
        }
        for row in quarantined_in(&mut connection, generation).await? {
            let key = (row.box_id.clone(), row.position.cast_unsigned());
            found.entry(key).or_insert_with(|| row.into()).generations.push(generation);
        }
    }
    Ok(found.into_values().collect())
}

async fn quarantined_in(connection: &mut PgConnection, generation: i32) -> Result<Vec<Row>, sqlx::Error> {
    // A schema name cannot be a parameter; a number is safe to interpolate.
    let sql = format!(
        "select box_id, stream, position, reason, quarantined_at,
                (select count(*) from read_g{generation}.parked_events as e where e.box_id = q.box_id) as waiting
         from read_g{generation}.quarantined_boxes as q
         order by box_id"
    );
    query_as(AssertSqlSafe(sql)).fetch_all(connection).await
}

impl From<Row> for QuarantinedBox {
    fn from(row: Row) -> Self {
        Self {
            box_id: row.box_id,
            stream: row.stream,
            sequence: row.position.cast_unsigned(),
            reason: row.reason,
            since: row.quarantined_at,
            waiting: row.waiting.cast_unsigned(),
            generations: Vec::new(),
        }
    }
}

/// Limits a list to the size of one answer.
pub(crate) fn limited(mut boxes: Vec<QuarantinedBox>) -> QuarantinedBoxes {
    let more = boxes.len().saturating_sub(LISTED);
    boxes.truncate(LISTED);
    QuarantinedBoxes { boxes, more }
}

/// Returns the events at which a box is quarantined: usually one, several if builds of different generations disagree.
pub async fn show(database: &Database, log: &dyn Log, box_id: &BoxId) -> Result<Vec<ShownBox>, ChangeError> {
    let mut shown = Vec::new();
    for quarantined in list(database).await?.into_iter().filter(|quarantined| quarantined.box_id == box_id.as_str()) {
        let event = failed_event(log, &quarantined).await?;
        shown.push(ShownBox { quarantined, event });
    }
    if shown.is_empty() { Err(not_quarantined(box_id)) } else { Ok(shown) }
}

fn not_quarantined(box_id: &BoxId) -> ChangeError {
    ChangeError::Refused(format!("the box {box_id} is not in quarantine"))
}

/// Reads the event at which a box is quarantined; `None` if the log does not hold it.
async fn failed_event(log: &dyn Log, quarantined: &QuarantinedBox) -> Result<Option<FailedEvent>, LogError> {
    let Ok(stream) = quarantined.stream.parse::<StreamName>() else { return Ok(None) };
    let Some(recorded) = log.get(stream, quarantined.sequence, Freshness::Leader).await? else { return Ok(None) };
    let commit: Value = serde_json::from_slice(&recorded.payload).unwrap_or_default();
    let events = commit["events"].as_array().into_iter().flatten();
    Ok(Some(FailedEvent {
        sequence: recorded.sequence,
        types: event_types(&recorded),
        versions: events.filter_map(|event| event["version"].as_u64()).collect(),
        stored_at: recorded.stored_at,
        bytes: recorded.payload.len(),
    }))
}
