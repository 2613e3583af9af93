//! Monitors the projection from outside: the lag of every stream, and whether its checkpoint moves. A writer that hangs
//! cannot report itself, and it may belong to another projector.

mod poller;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use event_store::Log;
use service_kit::health::Health;
use tokio::time::{Instant, MissedTickBehavior, interval};
use wire::StreamName;

use self::poller::Poller;

use crate::{control_changes::ControlChanges, database::Database, status::Track};

/// The polling interval of log and database, unless everything is projected and nothing is under way. A stalled stream
/// is noticed one or two intervals after [`STALL_TIME`].
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// The time for which the log may grow without progress of the checkpoint before the stream counts as stalled.
const STALL_TIME: Duration = Duration::from_secs(5);

/// The latest observations. Cheap to clone: all clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProgressMonitor {
    observations: Arc<Mutex<Observations>>,
}

/// The observations.
#[derive(Debug, Default)]
struct Observations {
    ends: HashMap<StreamName, u64>,
    generations: BTreeMap<i32, GenerationStatus>,
    progress: BTreeMap<Track, StreamProgress>,
    erasures: Erasures,
}

/// The pending erasures of users.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Erasures {
    /// The number of users.
    pub(crate) pending: u64,
    /// The time at which the first of them was discovered.
    pub(crate) since: Option<DateTime<Utc>>,
}

/// The lifecycle state of a generation.
#[derive(Debug, Clone)]
pub(crate) struct GenerationStatus {
    /// Its state as stored in the control tables.
    pub(crate) state: String,
    /// The current step of its lifecycle.
    pub(crate) phase: String,
    /// True if building it is paused.
    pub(crate) paused: bool,
}

/// The progress of a stream in a generation.
#[derive(Debug, Clone, Default)]
pub(crate) struct StreamProgress {
    /// The checkpoint.
    pub(crate) position: u64,
    /// The end of the stream.
    pub(crate) end: u64,
    /// The time at which the oldest unprojected commit was stored.
    pub(crate) waiting_since: Option<DateTime<Utc>>,
    /// The number of quarantined boxes.
    pub(crate) quarantined: u64,
    /// The number of their waiting commits.
    pub(crate) waiting_commits: u64,
    /// The time since which the checkpoint has not moved although there are commits to project.
    stalled_since: Option<Instant>,
    /// The reason for which the holder waits, as far as the database knows.
    cause: Option<String>,
}

impl StreamProgress {
    /// Returns the time for which the checkpoint has not moved although there are commits to project.
    fn stalled_for(&self) -> Option<Duration> {
        self.stalled_since.map(|since| since.elapsed())
    }

    /// Returns true if that time exceeds the limit.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled_for().is_some_and(|stalled| stalled >= STALL_TIME)
    }

    fn set_end(&mut self, end: u64) {
        self.end = self.end.max(end);
        if self.position < self.end {
            self.stalled_since.get_or_insert_with(Instant::now);
        }
    }

    fn set_position(&mut self, position: u64) {
        if position != self.position || position >= self.end {
            (self.stalled_since, self.cause) = (None, None);
        }
        self.position = position;
        if position >= self.end {
            self.waiting_since = None;
        }
    }
}

impl ProgressMonitor {
    /// Returns each generation of this version that is not retired.
    pub(crate) fn generations(&self) -> Vec<(i32, GenerationStatus)> {
        self.observations().generations.clone().into_iter().collect()
    }

    /// Returns the progress of each stream in each of them.
    pub(crate) fn progress(&self) -> Vec<(Track, StreamProgress)> {
        self.observations().progress.clone().into_iter().collect()
    }

    /// Returns the pending erasures.
    pub(crate) fn erasures(&self) -> Erasures {
        self.observations().erasures
    }

    /// Adds a check that fails while a stream of a generation that serves reads is stalled.
    pub(crate) fn add_to(&self, health: Health) -> Health {
        let watch = self.clone();
        health.check("progress", move || {
            let stalled = watch.stalled();
            async move { if stalled.is_empty() { Ok(()) } else { Err(stalled.join("; ")) } }
        })
    }

    /// Describes stalled streams. Ignores generations that are being built: they may pause, and their builder reports
    /// it.
    fn stalled(&self) -> Vec<String> {
        let observations = self.observations();
        let read = |number| observations.generations.get(&number).is_some_and(|status| status.state != "building");
        let stalled =
            observations.progress.iter().filter(|((number, _), progress)| read(*number) && progress.is_stalled());
        let describe = |((number, stream), progress): (&Track, &StreamProgress)| {
            let seconds = progress.stalled_for().unwrap_or_default().as_secs();
            let cause = progress.cause.as_deref().unwrap_or("no blocking database session is known");
            format!("g{number} {stream}: stalled at {} of {} for {seconds} s: {cause}", progress.position, progress.end)
        };
        stalled.map(describe).collect()
    }

    fn observations(&self) -> MutexGuard<'_, Observations> {
        self.observations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true if there is nothing to observe until a stream grows or a control table changes.
    fn is_quiet(&self) -> bool {
        let observations = self.observations();
        observations.erasures.pending == 0
            && !observations.progress.is_empty()
            && observations.generations.values().all(|status| status.state != "building")
            && observations.progress.values().all(|progress| progress.position >= progress.end)
    }

    /// Polls for as long as the process runs.
    pub(crate) async fn run(self, database: Database, log: Arc<dyn Log>, partitions: u16, mut changes: ControlChanges) {
        let mut poller = Poller::new(database, log, partitions);
        let mut ticks = interval(POLL_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let has_counted = poller.poll(&self).await;
            if has_counted && self.is_quiet() {
                poller.wait_for_growth(&self, &mut changes).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_moving_stream_is_not_stalled_at_any_lag() {
        let mut progress = StreamProgress::default();
        for step in 1..20 {
            progress.set_end(1000);
            progress.set_position(step);
            progress.set_end(1000);
            tokio::time::advance(Duration::from_secs(4)).await;
            assert!(!progress.is_stalled(), "{step}");
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(progress.is_stalled());
        progress.set_position(1000);
        assert!(!progress.is_stalled());
        tokio::time::advance(Duration::from_mins(1)).await;
        assert!(!progress.is_stalled(), "nothing to do is no stall");
    }
}
