//! What is counted of reads and of live connections, for Prometheus.

use std::{
    sync::{Arc, LazyLock},
    time::Instant,
};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use service_kit::metrics::{at_scrape, gauge, gauges, seconds, value};

use crate::{generation::Generations, live::Live};

/// The close code of a client that took nothing off its connection.
const TOO_SLOW: u16 = 4001;

type Label = [(&'static str, &'static str); 1];

/// Counted where it happens, for the process as a whole.
pub(crate) struct Metrics {
    connections: Family<Label, Gauge>,
    closed: Family<[(&'static str, u16); 1], Counter>,
    deliveries: Family<Label, Counter>,
    /// A room of a connection from whose queue events were left out.
    pub(crate) lagging: Counter,
    /// A page of a feed, read for a live connection.
    pub(crate) replay_pages: Counter,
    /// The events on it.
    pub(crate) replay_events: Counter,
    /// A client told that a version or a cursor is none of ours.
    pub(crate) resets: Counter,
    /// A signal that was not handed on, because there was too much else.
    pub(crate) signals_dropped: Counter,
    /// A look into the read model for what notices may have missed.
    pub(crate) heal_reads: Counter,
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
    heal_reads: Counter::default(),
    pool_waiting: Gauge::default(),
    pool_wait: seconds(),
});

/// What goes to a live connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Event,
    Signal,
    News,
}

/// The live connections at one moment.
#[derive(Debug, Default)]
pub(crate) struct LiveNumbers {
    pub(crate) rooms: usize,
    pub(crate) subscriptions: usize,
    pub(crate) users: usize,
    /// What waits for each connection.
    pub(crate) queues: Vec<Queue>,
}

/// What waits for a live connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queue {
    pub(crate) bytes: usize,
    /// So much that events of some room were left to its feed.
    pub(crate) is_lagging: bool,
}

impl Metrics {
    /// What is counted later is there from the start: a rate needs something to begin with.
    fn begin(&self) {
        for transport in ["websocket", "events"] {
            drop(self.connections.get_or_create(&[("transport", transport)]));
        }
        for kind in [Kind::Event, Kind::Signal, Kind::News] {
            self.delivered(kind, 0);
        }
        for code in [0, TOO_SLOW] {
            drop(self.closed.get_or_create(&[("code", code)]));
        }
    }

    /// Counts a live connection until the returned value is dropped.
    pub(crate) fn connected(&self, transport: &'static str) -> Counted {
        Counted::one_more(&self.connections.get_or_create(&[("transport", transport)]))
    }

    /// Counts the end of a live connection; code 0 is a client that went by itself.
    pub(crate) fn closed(&self, code: u16) {
        self.closed.get_or_create(&[("code", code)]).inc();
    }

    /// Counts what was handed to so many connections.
    pub(crate) fn delivered(&self, kind: Kind, connections: usize) {
        let kind = match kind {
            Kind::Event => "event",
            Kind::Signal => "signal",
            Kind::News => "news",
        };
        self.deliveries.get_or_create(&[("kind", kind)]).inc_by(connections as u64);
    }

    /// Counts somebody who waits for a database connection, until the returned value is dropped.
    pub(crate) fn waits_for_connection(&self) -> impl Drop + use<> {
        Waiting { _counted: Counted::one_more(&self.pool_waiting), since: Instant::now() }
    }
}

/// One more in a gauge until it is dropped.
pub(crate) struct Counted(Gauge);

impl Counted {
    fn one_more(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

struct Waiting {
    _counted: Counted,
    since: Instant,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        METRICS.pool_wait.observe(self.since.elapsed().as_secs_f64());
    }
}

/// Registers everything that a query-service counts.
pub(crate) fn register(registry: &mut Registry, live: Arc<Live>, generations: Generations) {
    let m = &*METRICS;
    m.begin();
    registry.register("live_connections", "Live connections by transport", m.connections.clone());
    let help = "Live connections that have ended, by close code; 0 where the client went";
    registry.register("live_closed", help, m.closed.clone());
    let help = "Frames handed to live connections, by kind";
    registry.register("live_deliveries", help, m.deliveries.clone());
    let help = "How often a room of a connection that reads too slowly was left to its feed";
    registry.register("live_lagging", help, m.lagging.clone());
    registry.register("live_replay_pages", "Pages of feeds read for live connections", m.replay_pages.clone());
    registry.register("live_replay_events", "Events on these pages", m.replay_events.clone());
    let help = "Clients told that a version or a cursor of theirs is none of ours";
    registry.register("live_resets", help, m.resets.clone());
    let help = "Signals that were dropped because too much else was waiting";
    registry.register("live_signals_dropped", help, m.signals_dropped.clone());
    let help = "Looks into the read model for what notices may have missed";
    registry.register("live_heal_reads", help, m.heal_reads.clone());
    registry.register("pool_waiting", "Reads that wait for a database connection", m.pool_waiting.clone());
    let help = "How long reads have waited for a database connection";
    registry.register_with_unit("pool_wait", help, Unit::Seconds, m.pool_wait.clone());
    at_scrape(registry, move |encoder| {
        let LiveNumbers { rooms, subscriptions, users, queues } = live.numbers();
        let count = |count: usize| value(count as u64);
        gauge(encoder, "live_rooms", "Rooms that live connections follow", None, count(rooms))?;
        let help = "Rooms over all live connections that follow them";
        gauge(encoder, "live_subscriptions", help, None, count(subscriptions))?;
        gauge(encoder, "live_users", "Users with a live connection", None, count(users))?;
        let help = "Live connections that read so slowly that some room is left to its feed";
        let lagging = count(queues.iter().filter(|queue| queue.is_lagging).count());
        gauge(encoder, "live_connections_lagging", help, None, lagging)?;
        let (bytes, all) = (Some(&Unit::Bytes), count(queues.iter().map(|queue| queue.bytes).sum()));
        gauge(encoder, "live_queue", "What waits to be written to live connections", bytes, all)?;
        let most = count(queues.iter().map(|queue| queue.bytes).max().unwrap_or_default());
        gauge(encoder, "live_queue_max", "What waits for the one for which most waits", bytes, most)
    });
    at_scrape(registry, move |encoder| {
        let Some(generation) = generations.changes().borrow().clone() else { return Ok(()) };
        let help = "The generation of the read model that is served";
        #[expect(clippy::cast_precision_loss, reason = "generations are few")]
        let number = generation.number() as f64;
        gauge(encoder, "served_generation", help, None, number)?;
        let pool = generation.pool();
        let idle = pool.num_idle() as u64;
        let states = [("idle", idle), ("in_use", u64::from(pool.size()).saturating_sub(idle))];
        let states = states.map(|(state, count)| ([("state", state)], value(count)));
        gauges(encoder, "pool_connections", "Open database connections for reads", None, states)?;
        let most = f64::from(pool.options().get_max_connections());
        gauge(encoder, "pool_max_connections", "The most of them that there may be", None, most)
    });
}
