//! How it stands with every generation, as operators see it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::generation::{Goal, State};

/// All generations that have tables, of every version of the read model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// The version of the read model that the projector which answers writes.
    pub model_version: String,
    /// How many projectors of that version run.
    pub projectors: i64,
    /// The oldest first.
    pub generations: Vec<GenerationReport>,
    /// Users who are being taken out of everything; who went first, first.
    #[serde(default)]
    pub erasures: Vec<ErasureReport>,
}

/// A user who is gone for good, and not out of everything yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ErasureReport {
    /// Who.
    pub user_id: String,
    /// Since when this is known.
    pub since: DateTime<Utc>,
    /// What has to come first.
    pub waits_for: String,
}

/// How it stands with a generation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GenerationReport {
    /// Its number.
    pub generation: i32,
    /// The version of the read model that it belongs to.
    pub model_version: String,
    /// Where it is in its life.
    pub state: State,
    /// How far it goes by itself.
    pub goal: Goal,
    /// What is being done on the way there.
    pub phase: String,
    /// Whether building it is paused.
    pub paused: bool,
    /// The most events a second while it is built.
    pub max_rate: Option<i32>,
    /// Whether building it gives way to the generations that are read.
    pub low_priority: bool,
    /// Since when there is such a generation.
    pub created_at: DateTime<Utc>,
    /// When it was activated last.
    pub activated_at: Option<DateTime<Utc>>,
    /// When verifying found nothing wrong.
    pub verified_at: Option<DateTime<Utc>>,
    /// What verifying found.
    pub verification: Option<Value>,
    /// Why it does not go on.
    pub failure: Option<String>,
    /// How long it takes until everything is projected that is in the log now; known to whoever has looked twice.
    #[serde(default)]
    pub seconds_left: Option<f64>,
    /// Its streams, in the order of their names.
    pub streams: Vec<StreamReport>,
}

/// How it stands with a stream of a generation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StreamReport {
    /// Its name.
    pub stream: String,
    /// The sequence up to which it is projected.
    pub position: u64,
    /// The end of the log; unknown while the log is away.
    pub end: Option<u64>,
    /// What is not projected yet.
    pub lag: Option<u64>,
    /// How fast it goes; known to whoever has looked twice.
    #[serde(default)]
    pub events_per_second: Option<f64>,
    /// Which projector works on it.
    pub holder: Option<String>,
    /// How it stands, in that projector's words.
    pub progress: String,
    /// How many boxes are parked because an event of theirs cannot be projected.
    pub quarantined_boxes: i64,
}

impl Report {
    /// The generation from which reads of this version are served.
    pub fn active(&self) -> Option<i32> {
        let own = self.generations.iter().filter(|generation| generation.model_version == self.model_version);
        own.filter(|generation| generation.state == State::Active).map(|generation| generation.generation).next()
    }
}

impl GenerationReport {
    /// The sequences that are projected and those that are to be, over all streams.
    pub fn progress(&self) -> (u64, u64) {
        let done = self.streams.iter().map(|stream| stream.position);
        let total = self.streams.iter().map(|stream| stream.end.unwrap_or(stream.position).max(stream.position));
        (done.sum(), total.sum())
    }
}
