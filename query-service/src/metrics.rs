//! Metrics of reads and live connections that are updated where events occur.

use std::{sync::LazyLock, time::Instant};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use service_kit::metrics::{GaugeGuard, seconds};

/// The close code of a client that reads too slowly.
const TOO_SLOW: u16 = 4001;

type Label = [(&'static str, &'static str); 1];

/// The metrics. One per process.
pub(crate) struct Metrics {
    connections: Family<Label, Gauge>,
    closed: Family<[(&'static str, u16); 1], Counter>,
    deliveries: Family<Label, Counter>,
    /// Rooms of connections that fell back to the feed because the send queue was full.
    pub(crate) lagging: Counter,
    /// Pages of feeds that were read for live connections.
    pub(crate) replay_pages: Counter,
    /// Events on these pages.
    pub(crate) replay_events: Counter,
    /// Resets because of an unknown version or cursor.
    pub(crate) resets: Counter,
    /// Signals that were dropped because a queue was full.
    pub(crate) signals_dropped: Counter,
    /// Reads of the read model to recover lost notifications.
    pub(crate) recovery_reads: Counter,
    /// Reads of areas of the lobby.
    pub(crate) lobby_reads: Counter,
    pool_waiting: Gauge,
    pool_wait: Histogram,
}

pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    connections: Family::default(),
    closed: Family::default(),
    deliveries: Family::default(),
    lagging: Counter::default(),
    replay_pages: Counter::default(),
    replay_events: Counter::default(),
    resets: Counter::default(),
    signals_dropped: Counter::default(),
    recovery_reads: Counter::default(),
    lobby_reads: Counter::default(),
    pool_waiting: Gauge::default(),
    pool_wait: seconds(),
});

/// The kind of a delivery to a live connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Event,
    Signal,
    UserFrame,
}

/// The current numbers of live connections.
#[derive(Debug, Default)]
pub(crate) struct LiveNumbers {
    pub(crate) rooms: usize,
    pub(crate) subscriptions: usize,
    pub(crate) users: usize,
    /// The send queue of each connection.
    pub(crate) queues: Vec<Queue>,
}

/// The state of a live connection's send queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queue {
    pub(crate) bytes: usize,
    /// True if events of some room must be read from its feed, because the queue was full.
    pub(crate) is_lagging: bool,
}

impl Metrics {
    /// Creates all series with 0, as a rate needs a first value.
    fn init_series(&self) {
        for transport in ["websocket", "events"] {
            drop(self.connections.get_or_create(&[("transport", transport)]));
        }
        for kind in [Kind::Event, Kind::Signal, Kind::UserFrame] {
            self.delivered(kind, 0);
        }
        for code in [0, TOO_SLOW] {
            drop(self.closed.get_or_create(&[("code", code)]));
        }
    }

    /// Counts a live connection until the returned value is dropped.
    pub(crate) fn connected(&self, transport: &'static str) -> GaugeGuard {
        GaugeGuard::in_gauge(&self.connections.get_or_create(&[("transport", transport)]))
    }

    /// Counts the end of a live connection. Code 0: the client has disconnected.
    pub(crate) fn closed(&self, code: u16) {
        self.closed.get_or_create(&[("code", code)]).inc();
    }

    /// Counts a frame that was queued for this number of connections.
    pub(crate) fn delivered(&self, kind: Kind, connections: usize) {
        let kind = match kind {
            Kind::Event => "event",
            Kind::Signal => "signal",
            Kind::UserFrame => "news",
        };
        self.deliveries.get_or_create(&[("kind", kind)]).inc_by(connections as u64);
    }

    /// Counts a read that waits for a database connection, until the returned value is dropped. Then records the wait.
    pub(crate) fn start_pool_wait(&self) -> impl Drop + use<> {
        PoolWait { _counted: GaugeGuard::in_gauge(&self.pool_waiting), since: Instant::now() }
    }
}

struct PoolWait {
    _counted: GaugeGuard,
    since: Instant,
}

impl Drop for PoolWait {
    fn drop(&mut self) {
        METRICS.pool_wait.observe(self.since.elapsed().as_secs_f64());
    }
}

/// Registers these metrics.
pub(crate) fn register(registry: &mut Registry) {
    let m = &*METRICS;
    m.init_series();
    registry.register("live_connections", "Live connections, by transport", m.connections.clone());
    let help = "Closed live connections, by close code; 0: closed by the client";
    registry.register("live_closed", help, m.closed.clone());
    let help = "Frames queued for live connections, by kind";
    registry.register("live_deliveries", help, m.deliveries.clone());
    let help = "Rooms of slow live connections that fell back to the feed";
    registry.register("live_lagging", help, m.lagging.clone());
    registry.register("live_replay_pages", "Feed pages read for live connections", m.replay_pages.clone());
    registry.register("live_replay_events", "Feed events read for live connections", m.replay_events.clone());
    let help = "Resets of clients with an unknown version or cursor";
    registry.register("live_resets", help, m.resets.clone());
    let help = "Signals dropped because a queue was full";
    registry.register("live_signals_dropped", help, m.signals_dropped.clone());
    let help = "Reads of the read model to recover lost notifications";
    registry.register("live_heal_reads", help, m.recovery_reads.clone());
    registry.register("live_lobby_reads", "Reads of areas of the lobby", m.lobby_reads.clone());
    registry.register("pool_waiting", "Reads waiting for a database connection", m.pool_waiting.clone());
    let help = "Time that reads have waited for a database connection";
    registry.register_with_unit("pool_wait", help, Unit::Seconds, m.pool_wait.clone());
}
