//! Metrics of the state of the process, read at each scrape.

use std::fmt;

use prometheus_client::{
    encoding::DescriptorEncoder,
    registry::{Registry, Unit},
};
use service_kit::metrics::{at_scrape, gauge, gauges, value};

use crate::{app::App, generation::Generations, metrics::LiveNumbers};

/// Registers the metrics of live connections and of the served generation.
pub(crate) fn register(registry: &mut Registry, app: App) {
    at_scrape(registry, move |encoder| {
        of_live(encoder, app.live.numbers())?;
        of_generation(encoder, &app.generations)
    });
}

fn of_live(encoder: &mut DescriptorEncoder<'_>, numbers: LiveNumbers) -> fmt::Result {
    let LiveNumbers { rooms, subscriptions, users, queues } = numbers;
    let count = |count: usize| value(count as u64);
    gauge(encoder, "live_rooms", "Rooms followed by live connections", None, count(rooms))?;
    let help = "Subscriptions of rooms, over all live connections";
    gauge(encoder, "live_subscriptions", help, None, count(subscriptions))?;
    gauge(encoder, "live_users", "Users with a live connection", None, count(users))?;
    let help = "Slow live connections with a room that has fallen back to the feed";
    let lagging = count(queues.iter().filter(|queue| queue.is_lagging).count());
    gauge(encoder, "live_connections_lagging", help, None, lagging)?;
    let (bytes, all) = (Some(&Unit::Bytes), count(queues.iter().map(|queue| queue.bytes).sum()));
    gauge(encoder, "live_queue", "Total size of the send queues of all live connections", bytes, all)?;
    let most = count(queues.iter().map(|queue| queue.bytes).max().unwrap_or_default());
    gauge(encoder, "live_queue_max", "Largest send queue of any live connection", bytes, most)
}

fn of_generation(encoder: &mut DescriptorEncoder<'_>, generations: &Generations) -> fmt::Result {
    let Some(generation) = generations.changes().borrow().clone() else { return Ok(()) };
    let help = "Number of the served generation of the read model";
    #[expect(clippy::cast_precision_loss, reason = "generations are few")]
    let number = generation.number() as f64;
    gauge(encoder, "served_generation", help, None, number)?;
    let pool = generation.pool();
    let idle = pool.num_idle() as u64;
    let states = [("idle", idle), ("in_use", u64::from(pool.size()).saturating_sub(idle))];
    let states = states.map(|(state, count)| ([("state", state)], value(count)));
    gauges(encoder, "pool_connections", "Open database connections for reads", None, states)?;
    let most = f64::from(pool.options().get_max_connections());
    gauge(encoder, "pool_max_connections", "Maximum number of database connections for reads", None, most)
}
