//! The projector's Prometheus metrics.

use std::{sync::LazyLock, time::Duration};

use prometheus_client::{
    encoding::DescriptorEncoder,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use service_kit::{
    clock,
    metrics::{at_scrape, gauges, seconds, value},
};
use wire::StreamName;

use crate::{
    status::{Status, Track},
    watch::{Erasures, Place, ProgressMonitor},
};

/// Bucket bounds of the batch size histogram, in commits.
const COMMITS: [f64; 11] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 500.0, 2000.0, 5000.0, 10_000.0];

type Labels<const N: usize> = [(&'static str, String); N];

/// Metrics that are updated at the event, shared by all tracks of the process.
pub(crate) struct Metrics {
    commits: Family<Labels<2>, Counter>,
    batch_commits: Family<Labels<1>, Histogram>,
    batch_duration: Family<Labels<1>, Histogram>,
    retries: Family<Labels<3>, Counter>,
    notices: Family<[(&'static str, &'static str); 1], Counter>,
}

pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    commits: Family::default(),
    batch_commits: Family::new_with_constructor(|| Histogram::new(COMMITS)),
    batch_duration: Family::new_with_constructor(seconds),
    retries: Family::default(),
    notices: Family::default(),
});

/// Registers all metrics of the projector.
pub(crate) fn register(registry: &mut Registry, status: Status, watch: ProgressMonitor) {
    // All label values exist from the start: a rate needs an initial sample.
    for sent in [true, false] {
        drop(METRICS.notices.get_or_create(&outcome(sent)));
    }
    let Metrics { commits, batch_commits, batch_duration, retries, notices } = &*METRICS;
    registry.register("projection_commits", "Commits projected by this process", commits.clone());
    let help = "Commits per projection transaction";
    registry.register("projection_batch_commits", help, batch_commits.clone());
    let help = "Duration of projection transactions";
    registry.register_with_unit("projection_batch_duration", help, Unit::Seconds, batch_duration.clone());
    let help = "Restarts from the checkpoint: server unavailable (away), operator needed (stopped), \
                another projector took over (overtaken)";
    registry.register("projection_retries", help, retries.clone());
    let help = "Notifications for the query-services, sent or dropped";
    registry.register("notices", help, notices.clone());
    at_scrape(registry, move |encoder| {
        of_generations(encoder, &watch)?;
        of_erasures(encoder, watch.erasures())?;
        of_places(encoder, &watch.places())?;
        of_tracks(encoder, &status)
    });
}

fn outcome(sent: bool) -> [(&'static str, &'static str); 1] {
    [("outcome", if sent { "sent" } else { "dropped" })]
}

fn labels((generation, stream): Track) -> Labels<2> {
    [("generation", generation.to_string()), ("stream", stream.label())]
}

fn retry(track: Track, reason: &'static str) -> Labels<3> {
    let [generation, stream] = labels(track);
    [generation, stream, ("reason", reason.to_owned())]
}

fn of_generations(encoder: &mut DescriptorEncoder<'_>, watch: &ProgressMonitor) -> std::fmt::Result {
    let generations = watch.generations();
    let number = |number: &i32| ("generation", number.to_string());
    let states = generations.iter().map(|(of, life)| ([number(of), ("state", life.state.clone())], 1.0));
    gauges(encoder, "generation_state", "State of each generation of the read model: 1", None, states)?;
    let phases = generations.iter().map(|(of, life)| ([number(of), ("phase", life.phase.clone())], 1.0));
    gauges(encoder, "generation_phase", "Current phase of each generation: 1", None, phases)?;
    let paused = generations.iter().map(|(of, life)| ([number(of)], f64::from(u8::from(life.paused))));
    gauges(encoder, "generation_paused", "1 if building the generation is paused, else 0", None, paused)
}

fn of_erasures(encoder: &mut DescriptorEncoder<'_>, erasures: Erasures) -> std::fmt::Result {
    let mut write = |name, help, unit: Option<&Unit>, read| {
        let none: [(&'static str, String); 0] = [];
        gauges(encoder, name, help, unit, [(none, read)])
    };
    let help = "Deleted users whose erasure is not complete";
    write("erasures_pending", help, None, value(erasures.pending))?;
    let age = erasures.since.map(|since| (clock::now() - since).to_std().unwrap_or_default().as_secs_f64());
    let help = "Age of the oldest pending erasure";
    write("erasure_oldest", help, Some(&Unit::Seconds), age.unwrap_or_default())
}

fn of_places(encoder: &mut DescriptorEncoder<'_>, places: &[(Track, Place)]) -> std::fmt::Result {
    let mut write = |name, help, unit: Option<&Unit>, read: &dyn Fn(&Place) -> f64| {
        gauges(encoder, name, help, unit, places.iter().map(|(track, place)| (labels(*track), read(place))))
    };
    let help = "Last projected sequence of each stream in each generation";
    write("projection_position", help, None, &|place| value(place.position))?;
    write("projection_end", "Last sequence of each stream in the log", None, &|place| value(place.end))?;
    let help = "Commits of the stream that the generation has not projected yet";
    write("projection_lag_commits", help, None, &|place| value(place.end.saturating_sub(place.position)))?;
    let now = clock::now();
    let age = |place: &Place| {
        let since = place.waiting_since?;
        Some((now - since).to_std().unwrap_or_default().as_secs_f64())
    };
    let help = "Age of the oldest commit that the generation has not projected yet";
    write("projection_lag", help, Some(&Unit::Seconds), &|place| age(place).unwrap_or_default())?;
    let help = "1 if the stream has commits to project and its checkpoint does not move, else 0";
    write("projection_stalled", help, None, &|place| f64::from(u8::from(place.is_stalled())))?;
    let help = "Quarantined boxes";
    write("quarantined_boxes", help, None, &|place| value(place.quarantined))?;
    write("parked_commits", "Waiting commits of quarantined boxes", None, &|place| value(place.parked))
}

fn of_tracks(encoder: &mut DescriptorEncoder<'_>, status: &Status) -> std::fmt::Result {
    let tracks = status.tracks();
    let held = tracks.iter().map(|(track, doing)| (labels(*track), f64::from(u8::from(*doing != "standby"))));
    gauges(encoder, "projection_lease_held", "1 if this process holds the lease of the stream, else 0", None, held)?;
    let doing = tracks.iter().map(|(track, doing)| {
        let [generation, stream] = labels(*track);
        ([generation, stream, ("state", (*doing).to_owned())], 1.0)
    });
    gauges(encoder, "projection_state", "State of each stream in this process: 1", None, doing)
}

impl Metrics {
    /// Counts one transaction.
    pub(crate) fn projected(&self, generation: i32, stream: StreamName, commits: usize, took: Duration) {
        if commits > 0 {
            let of_generation = [("generation", generation.to_string())];
            self.batch_commits.get_or_create(&of_generation).observe(value(commits as u64));
            self.batch_duration.get_or_create(&of_generation).observe(took.as_secs_f64());
            self.commits.get_or_create(&labels((generation, stream))).inc_by(commits as u64);
        }
    }

    /// Begins to count a track's retries.
    pub(crate) fn begins(&self, track: Track) {
        for reason in ["away", "stopped", "overtaken"] {
            drop(self.retries.get_or_create(&retry(track, reason)));
        }
    }

    /// Counts that a track had to begin again.
    pub(crate) fn retried(&self, track: Track, reason: &'static str) {
        self.retries.get_or_create(&retry(track, reason)).inc();
    }

    /// Counts a notification, sent or dropped.
    pub(crate) fn noticed(&self, sent: bool) {
        self.notices.get_or_create(&outcome(sent)).inc();
    }
}
