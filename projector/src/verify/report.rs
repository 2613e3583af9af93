//! What verifying has found, for machines and for people.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The outcome of a comparison.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    /// Which generations were compared.
    pub generations: [i32; 2],
    /// How many rows of each table, counted in the first of them.
    pub rows: BTreeMap<String, u64>,
    /// How many keys differ.
    pub differences: u64,
    /// The first of them.
    pub shown: Vec<Difference>,
    /// What changed all the time, so that nothing can be said about it.
    pub undecided: Vec<String>,
    /// How many snapshots it took.
    pub passes: u32,
    /// How long it took.
    pub seconds: f64,
}

/// One row that is not the same.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// In which table.
    pub table: String,
    /// The primary key.
    pub key: Map<String, Value>,
    /// The row in the first generation, if it is there.
    pub first: Option<Value>,
    /// The row in the second one.
    pub second: Option<Value>,
    /// The latest events that have touched it.
    pub events: Vec<Touch>,
}

/// An event that has touched a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Touch {
    /// In which stream.
    pub stream: String,
    /// At which sequence.
    pub sequence: u64,
    /// Of which types.
    pub types: Vec<String>,
    /// When it was stored.
    pub at: DateTime<Utc>,
}

impl Verification {
    /// Whether everything was compared and is the same.
    pub fn is_equal(&self) -> bool {
        self.differences == 0 && self.undecided.is_empty()
    }

    /// The outcome without any row's content.
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

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.generations;
        for difference in &self.shown {
            writeln!(f, "{} {}", difference.table, Value::Object(difference.key.clone()))?;
            for (generation, row) in [(first, &difference.first), (second, &difference.second)] {
                let row = row.as_ref().map_or_else(|| "no such row".to_owned(), ToString::to_string);
                writeln!(f, "  g{generation}: {row}")?;
            }
            for Touch { stream, sequence, types, at } in &difference.events {
                writeln!(f, "  {stream} {sequence}: {} at {}", types.join(", "), at.to_rfc3339())?;
            }
        }
        for undecided in &self.undecided {
            writeln!(f, "{undecided}: changed all the time, not compared")?;
        }
        let rows: u64 = self.rows.values().sum();
        write!(
            f,
            "g{first} and g{second}: {rows} rows compared in {:.1} s, {} differ, {} undecided",
            self.seconds,
            self.differences,
            self.undecided.len()
        )
    }
}
