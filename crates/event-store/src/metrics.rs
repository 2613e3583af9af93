//! The metrics of the log.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use wire::StreamName;

/// The buckets of append durations, in seconds. Appends time out after ten seconds.
const SECONDS: [f64; 13] = [0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.125, 0.5, 1.0, 5.0, 10.0];

type Labels<const N: usize> = [(&'static str, String); N];

/// The metrics of all executors of the process together.
pub(crate) struct Metrics {
    appends: Family<Labels<2>, Counter>,
    append_duration: Family<Labels<1>, Histogram>,
    /// Appends sent again because an attempt was not answered or the log was busy.
    pub(crate) resends: Counter,
    /// Decisions repeated because of a concurrent commit.
    pub(crate) conflicts: Counter,
    waiting: Gauge,
}

pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    appends: Family::default(),
    append_duration: Family::new_with_constructor(|| Histogram::new(SECONDS)),
    resends: Counter::default(),
    conflicts: Counter::default(),
    waiting: Gauge::default(),
});

/// Registers the metrics of this crate.
pub fn register(registry: &mut Registry) {
    let Metrics { appends, append_duration, resends, conflicts, waiting } = &*METRICS;
    registry.register("appends", "Appends to the log, by stream and outcome", appends.clone());
    let help = "Duration of an append, from the first attempt to its outcome";
    registry.register_with_unit("append_duration", help, Unit::Seconds, append_duration.clone());
    let help = "Appends sent again because the outcome was unknown or the log was busy";
    registry.register("append_resends", help, resends.clone());
    let help = "Commands decided again because of a concurrent commit";
    registry.register("command_conflicts", help, conflicts.clone());
    let help = "Commands waiting for another command to the same aggregate";
    registry.register("commands_waiting", help, waiting.clone());
}

impl Metrics {
    pub(crate) fn appended(&self, stream: StreamName, started_at: Instant, outcome: &str) {
        let label = stream.label();
        let took: Duration = started_at.elapsed();
        self.append_duration.get_or_create(&[("stream", label.clone())]).observe(took.as_secs_f64());
        self.appends.get_or_create(&[("stream", label), ("outcome", outcome.to_owned())]).inc();
    }

    /// Counts a waiting command until the returned value is dropped.
    pub(crate) fn start_wait(&self) -> impl Drop + use<> {
        self.waiting.inc();
        GaugeGuard(self.waiting.clone())
    }
}

struct GaugeGuard(Gauge);

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
