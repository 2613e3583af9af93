//! Metrics of the state of the process, read at each scrape.

use prometheus_client::registry::Registry;
use service_kit::metrics::{at_scrape, gauges, value};
use wire::StreamName;

use crate::app::App;

/// Registers the metrics of the tails and of the idempotency index.
pub(crate) fn register(registry: &mut Registry, app: App) {
    at_scrape(registry, move |encoder| {
        let tails = app.tails();
        let labelled = |stream: &StreamName| [("stream", stream.label())];
        let read = tails.iter().map(|(stream, tail)| (labelled(stream), value(tail.sequence)));
        gauges(encoder, "tail_position", "Last sequence of the stream that was read", None, read)?;
        let lag = tails.iter().map(|(stream, tail)| (labelled(stream), value(tail.end.saturating_sub(tail.sequence))));
        gauges(encoder, "tail_lag_commits", "Commits of the stream that were not read yet", None, lag)?;
        let behind = tails.iter().map(|(stream, tail)| (labelled(stream), f64::from(u8::from(tail.caught_up))));
        gauges(encoder, "tail_caught_up", "1 if the stream was read up to its end, else 0", None, behind)?;
        let damaged = tails.iter().map(|(stream, tail)| (labelled(stream), f64::from(u8::from(tail.damage.is_some()))));
        gauges(encoder, "tail_damaged", "1 if the stream differs from earlier reads, else 0", None, damaged)?;
        let known = app.index_sizes();
        let known = known.iter().map(|(stream, count)| (labelled(stream), value(*count as u64)));
        gauges(encoder, "idempotency_entries", "Commands remembered to answer their repeats", None, known)
    });
}
