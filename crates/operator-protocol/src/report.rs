//! The status of every generation, as sent to operators.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::generation::{Goal, State};

/// All generations that have tables, of every version of the read model.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// The read model version of the projector that answers.
    pub model_version: String,
    /// The number of running projectors of that version.
    pub projectors: i64,
    /// The generations, oldest first.
    pub generations: Vec<GenerationReport>,
    /// The pending erasures, oldest first.
    #[serde(default)]
    pub erasures: Vec<ErasureReport>,
}

/// A deleted user whose erasure is not complete.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ErasureReport {
    /// The user.
    pub user_id: String,
    /// The time at which the deletion was discovered.
    pub since: DateTime<Utc>,
    /// The step or condition that the erasure waits for.
    pub waits_for: String,
}

/// The status of a generation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct GenerationReport {
    /// Its number.
    pub generation: i32,
    /// The version of the read model that it belongs to.
    pub model_version: String,
    /// Its state.
    pub state: State,
    /// The state up to which the driver takes it.
    pub goal: Goal,
    /// Its current phase.
    pub phase: String,
    /// True if building it is paused.
    pub paused: bool,
    /// The maximum rate of building, in events per second.
    pub max_rate: Option<i32>,
    /// True if building leaves most of the time to the generations that serve reads.
    pub low_priority: bool,
    /// The time of its creation.
    pub created_at: DateTime<Utc>,
    /// The time of its last activation.
    pub activated_at: Option<DateTime<Utc>>,
    /// The time of the last comparison without differences.
    pub verified_at: Option<DateTime<Utc>>,
    /// The result of the last comparison.
    pub verification: Option<Value>,
    /// The failure that blocks it.
    pub failure: Option<String>,
    /// The estimated time until everything that is in the log now is projected, in seconds. Filled in by a client after
    /// two reports.
    #[serde(default)]
    pub seconds_left: Option<f64>,
    /// Its streams, in the order of their names.
    pub streams: Vec<StreamReport>,
}

/// The status of a stream of a generation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StreamReport {
    /// Its label.
    pub stream: String,
    /// The sequence up to which it is projected.
    pub position: u64,
    /// The end of the log; absent while the log is unavailable.
    pub end: Option<u64>,
    /// The number of commits not projected yet.
    pub lag: Option<u64>,
    /// The current rate. Filled in by a client after two reports.
    #[serde(default)]
    pub events_per_second: Option<f64>,
    /// The projector that holds its lease.
    pub holder: Option<String>,
    /// The progress as described by that projector.
    pub progress: String,
    /// The number of quarantined boxes.
    pub quarantined_boxes: i64,
}

impl Report {
    /// Returns true if any stream is behind the end of the log.
    pub fn has_lag(&self) -> bool {
        let streams = self.generations.iter().flat_map(|generation| &generation.streams);
        streams.into_iter().any(|stream| stream.lag.is_some_and(|lag| lag > 0))
    }

    /// Returns the active generation of this version.
    pub fn active(&self) -> Option<i32> {
        let own = self.generations.iter().filter(|generation| generation.model_version == self.model_version);
        own.filter(|generation| generation.state == State::Active).map(|generation| generation.generation).next()
    }
}

impl GenerationReport {
    /// Returns the number of projected sequences and the total, over all streams.
    pub fn progress(&self) -> (u64, u64) {
        let done = self.streams.iter().map(|stream| stream.position);
        let total = self.streams.iter().map(|stream| stream.end.unwrap_or(stream.position).max(stream.position));
        (done.sum(), total.sum())
    }
}
