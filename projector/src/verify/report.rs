//! The result of a verification, as JSON and as text.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::projection::tables;

/// The number of the temporary generation. It never equals another generation's number: those count from 1.
pub(super) const FRESH: i32 = i32::MAX;

/// The replacement of a hidden value.
const HIDDEN: &str = "(hidden)";

/// The outcome of a comparison.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    /// The compared generations; the temporary one is called `fresh`.
    #[serde(serialize_with = "named")]
    pub generations: [i32; 2],
    /// The number of compared rows per table, counted in the first generation.
    pub rows: BTreeMap<String, u64>,
    /// The number of keys that differ.
    pub differences: u64,
    /// The first differences.
    pub shown: Vec<Difference>,
    /// Boxes, users and stores that kept changing and were not compared.
    pub undecided: Vec<String>,
    /// The number of comparison passes.
    pub passes: u32,
    /// The duration in seconds.
    pub seconds: f64,
}

/// A row that differs.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// The table.
    pub table: String,
    /// The primary key.
    pub key: Map<String, Value>,
    /// The row in the first generation, if it exists.
    pub first: Option<Value>,
    /// The row in the second generation, if it exists.
    pub second: Option<Value>,
    /// The columns whose values differ.
    pub differing: Vec<String>,
    /// The latest events that have touched the row.
    pub events: Vec<TouchingEvent>,
}

/// An event that has touched a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TouchingEvent {
    /// The stream.
    pub stream: String,
    /// The sequence.
    pub sequence: u64,
    /// The event types of the commit.
    pub types: Vec<String>,
    /// The time at which it was stored.
    pub at: DateTime<Utc>,
}

impl Verification {
    /// Hides user content, names and tokens. The names of the differing columns stay.
    #[must_use]
    pub fn without_values(mut self) -> Self {
        self.shown.iter_mut().for_each(Difference::hide);
        self
    }

    /// Returns true if everything was compared and is equal.
    pub fn is_equal(&self) -> bool {
        self.differences == 0 && self.undecided.is_empty()
    }

    /// Summarizes the result without the content of rows.
    pub fn summary(&self) -> Value {
        let outcome = match self {
            _ if self.differences > 0 => "different",
            _ if !self.undecided.is_empty() => "undecided",
            _ => "equal",
        };
        json!({
            "outcome": outcome,
            "generations": self.generations,
            "rows": self.rows.values().sum::<u64>(),
            "differences": self.differences,
            "undecided": self.undecided,
            "passes": self.passes,
            "seconds": self.seconds,
        })
    }
}

impl Difference {
    /// Describes the difference of two rows, of which one may be missing.
    pub(super) fn between(table: &str, key: Map<String, Value>, first: Option<Value>, second: Option<Value>) -> Self {
        let columns = |row: &Option<Value>| row.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
        let (one, other) = (columns(&first), columns(&second));
        let all = if one.is_empty() { &other } else { &one };
        let differing = all.keys().filter(|name| one.get(*name) != other.get(*name)).cloned().collect();
        Self { table: table.to_owned(), key, first, second, differing, events: Vec::new() }
    }

    fn hide(&mut self) {
        let rows = [&mut self.first, &mut self.second].into_iter().flatten().filter_map(Value::as_object_mut);
        for (name, value) in rows.flatten() {
            if !is_public(&self.table, name, value) {
                *value = HIDDEN.into();
            }
        }
    }
}

/// Serializes generation numbers, the temporary one as `fresh`.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn named<S: Serializer>(generations: &[i32; 2], serializer: S) -> Result<S::Ok, S::Error> {
    generations.map(|number| if number == FRESH { "fresh".into() } else { Value::from(number) }).serialize(serializer)
}

/// Returns true for numbers, times, ids and constants. Unknown text columns count as user content.
fn is_public(table: &str, column: &str, value: &Value) -> bool {
    let is_known = column.ends_with("_id") || column.ends_with("_at") || tables::is_shown(table, column);
    is_known || !(value.is_string() || value.is_object() || value.is_array())
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |number| if number == FRESH { "fresh".to_owned() } else { format!("g{number}") };
        let [first, second] = self.generations.map(name);
        for difference in &self.shown {
            writeln!(f, "{} {}", difference.table, Value::Object(difference.key.clone()))?;
            for (generation, row) in [(&first, &difference.first), (&second, &difference.second)] {
                let row = row.as_ref().map_or_else(|| "no such row".to_owned(), ToString::to_string);
                writeln!(f, "  {generation}: {row}")?;
            }
            writeln!(f, "  differing: {}", difference.differing.join(", "))?;
            for TouchingEvent { stream, sequence, types, at } in &difference.events {
                writeln!(f, "  {stream} {sequence}: {} at {}", types.join(", "), at.to_rfc3339())?;
            }
        }
        for undecided in &self.undecided {
            writeln!(f, "{undecided}: kept changing, not compared")?;
        }
        let rows: u64 = self.rows.values().sum();
        write!(
            f,
            "{first} and {second}: {rows} rows compared in {:.1} s, {} differ, {} undecided",
            self.seconds,
            self.differences,
            self.undecided.len()
        )
    }
}
