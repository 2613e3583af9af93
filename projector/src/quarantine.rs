//! Parked boxes as operators see and treat them, in all generations at once.

pub(crate) use give_up::{GiveUpError, give_up};
pub(crate) use retry::PATIENCE;
pub use retry::{Retried, retry};

mod give_up;
mod retry;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::BoxId;
use event_store::{Log, LogError, StreamName, history::event_types, log::Freshness};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{AssertSqlSafe, FromRow, PgConnection, query, query_as};

use crate::{
    database::Database,
    generation::{self, ChangeError},
};

/// As many boxes as fit into an answer.
const LISTED: usize = 1000;

/// A box that is parked at an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedBox {
    /// The box.
    pub box_id: String,
    /// In which stream its events are.
    pub stream: String,
    /// The sequence of the event that cannot be projected.
    pub sequence: u64,
    /// Why not.
    pub reason: String,
    /// When the event happened.
    pub since: DateTime<Utc>,
    /// How many events wait, that one included.
    pub waiting: u64,
    /// The generations in which it is parked there.
    pub generations: Vec<i32>,
}

/// Parked boxes, as many as are told at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedBoxes {
    /// The first of them.
    pub boxes: Vec<ParkedBox>,
    /// How many more there are.
    pub more: usize,
}

/// A parked box and the event at which it is parked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownBox {
    /// The box.
    pub parked: ParkedBox,
    /// The event; none if the log does not hold it.
    pub event: Option<BadEvent>,
}

/// An event that cannot be projected, without what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadEvent {
    /// Its sequence.
    pub sequence: u64,
    /// The types that its message names.
    pub types: Vec<String>,
    /// The versions of their shapes, as far as they can be read.
    pub versions: Vec<u64>,
    /// When it was stored.
    pub stored_at: DateTime<Utc>,
    /// How many bytes it has.
    pub bytes: usize,
}

#[derive(FromRow)]
struct Row {
    box_id: String,
    stream: String,
    position: i64,
    reason: String,
    quarantined_at: DateTime<Utc>,
    waiting: i64,
}

/// Every parked box of every generation that is projected, by box and sequence.
pub async fn list(database: &Database) -> Result<Vec<ParkedBox>, sqlx::Error> {
    let mut connection = database.control().await?;
    let rows = query!("select generation from control.generations where state <> 'retired' order by generation");
    let mut found: BTreeMap<(String, u64), ParkedBox> = BTreeMap::new();
    for generation in rows.fetch_all(&mut connection).await?.iter().map(|row| row.generation) {
        if !generation::exists(database, generation).await? {
            continue;
        }
        for row in parked_in(&mut connection, generation).await? {
            let key = (row.box_id.clone(), row.position.cast_unsigned());
            found.entry(key).or_insert_with(|| row.into()).generations.push(generation);
        }
    }
    Ok(found.into_values().collect())
}

async fn parked_in(connection: &mut PgConnection, generation: i32) -> Result<Vec<Row>, sqlx::Error> {
    // A schema's name cannot be a parameter; a number can do no harm.
    let sql = format!(
        "select box_id, stream, position, reason, quarantined_at,
                (select count(*) from read_g{generation}.parked_events as e where e.box_id = q.box_id) as waiting
         from read_g{generation}.quarantined_boxes as q
         order by box_id"
    );
    query_as(AssertSqlSafe(sql)).fetch_all(connection).await
}

impl From<Row> for ParkedBox {
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

impl ParkedBoxes {
    /// Of all of them.
    pub(crate) fn of(mut boxes: Vec<ParkedBox>) -> Self {
        let more = boxes.len().saturating_sub(LISTED);
        boxes.truncate(LISTED);
        Self { boxes, more }
    }
}

/// Where a box is parked: usually once, more often while generations of different builds differ about it.
pub async fn show(database: &Database, log: &dyn Log, box_id: &BoxId) -> Result<Vec<ShownBox>, ChangeError> {
    let mut shown = Vec::new();
    for parked in list(database).await?.into_iter().filter(|parked| parked.box_id == box_id.as_str()) {
        let event = bad_event(log, &parked).await?;
        shown.push(ShownBox { parked, event });
    }
    if shown.is_empty() { Err(not_parked(box_id)) } else { Ok(shown) }
}

fn not_parked(box_id: &BoxId) -> ChangeError {
    ChangeError::Refused(format!("the box {box_id} is not parked"))
}

/// The event at which a box is parked; none if the log does not hold it.
async fn bad_event(log: &dyn Log, parked: &ParkedBox) -> Result<Option<BadEvent>, LogError> {
    let Ok(stream) = parked.stream.parse::<StreamName>() else { return Ok(None) };
    let Some(recorded) = log.get(stream, parked.sequence, Freshness::Leader).await? else { return Ok(None) };
    let commit: Value = serde_json::from_slice(&recorded.payload).unwrap_or_default();
    let events = commit["events"].as_array().into_iter().flatten();
    Ok(Some(BadEvent {
        sequence: recorded.sequence,
        types: event_types(&recorded),
        versions: events.filter_map(|event| event["version"].as_u64()).collect(),
        stored_at: recorded.stored_at,
        bytes: recorded.payload.len(),
    }))
}
