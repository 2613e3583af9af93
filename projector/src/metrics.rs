//! Metrics of the projection that are updated where events occur.

use std::{sync::LazyLock, time::Duration};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use service_kit::metrics::{seconds, value};
use wire::StreamName;

use crate::status::Track;

/// Bucket bounds of the batch size histogram, in commits.
const COMMITS: [f64; 11] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 500.0, 2000.0, 5000.0, 10_000.0];

pub(crate) type Labels<const N: usize> = [(&'static str, String); N];

/// Metrics that are updated at the event, shared by all tracks of the process.
pub(crate) struct Metrics {
    commits: Family<Labels<2>, Counter>,
    batch_commits: Family<Labels<1>, Histogram>,
    batch_duration: Family<Labels<1>, Histogram>,
    retries: Family<Labels<3>, Counter>,
    notifications: Family<[(&'static str, &'static str); 1], Counter>,
}

pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    commits: Family::default(),
    batch_commits: Family::new_with_constructor(|| Histogram::new(COMMITS)),
    batch_duration: Family::new_with_constructor(seconds),
    retries: Family::default(),
    notifications: Family::default(),
});

/// Registers these metrics.
pub(crate) fn register(registry: &mut Registry) {
    // All label values exist from the start: a rate needs an initial sample.
    for sent in [true, false] {
        drop(METRICS.notifications.get_or_create(&outcome(sent)));
    }
    let Metrics { commits, batch_commits, batch_duration, retries, notifications } = &*METRICS;
    registry.register("projection_commits", "Commits projected by this process", commits.clone());
    let help = "Commits per projection transaction";
    registry.register("projection_batch_commits", help, batch_commits.clone());
    let help = "Duration of projection transactions";
    registry.register_with_unit("projection_batch_duration", help, Unit::Seconds, batch_duration.clone());
    let help = "Restarts from the checkpoint: server unavailable (away), operator needed (stopped), \
                another projector took over (overtaken)";
    registry.register("projection_retries", help, retries.clone());
    let help = "Notifications for the query-services, sent or dropped";
    registry.register("notices", help, notifications.clone());
}

fn outcome(sent: bool) -> [(&'static str, &'static str); 1] {
    [("outcome", if sent { "sent" } else { "dropped" })]
}

/// The labels of a track.
pub(crate) fn labels((generation, stream): Track) -> Labels<2> {
    [("generation", generation.to_string()), ("stream", stream.label())]
}

fn retry(track: Track, reason: &'static str) -> Labels<3> {
    let [generation, stream] = labels(track);
    [generation, stream, ("reason", reason.to_owned())]
}

impl Metrics {
    /// Counts one transaction.
    pub(crate) fn projected(&self, generation: i32, stream: StreamName, commits: usize, duration: Duration) {
        if commits > 0 {
            let of_generation = [("generation", generation.to_string())];
            self.batch_commits.get_or_create(&of_generation).observe(value(commits as u64));
            self.batch_duration.get_or_create(&of_generation).observe(duration.as_secs_f64());
            self.commits.get_or_create(&labels((generation, stream))).inc_by(commits as u64);
        }
    }

    /// Begins to count a track's retries.
    pub(crate) fn init_retries(&self, track: Track) {
        for reason in ["away", "stopped", "overtaken"] {
            drop(self.retries.get_or_create(&retry(track, reason)));
        }
    }

    /// Counts that a track had to begin again.
    pub(crate) fn retried(&self, track: Track, reason: &'static str) {
        self.retries.get_or_create(&retry(track, reason)).inc();
    }

    /// Counts a notification, sent or dropped.
    pub(crate) fn count_notification(&self, sent: bool) {
        self.notifications.get_or_create(&outcome(sent)).inc();
    }
}
