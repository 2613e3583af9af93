//! Metrics of webhooks that follow from the state of the process.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use service_kit::metrics::{at_scrape, gauges, value};

use super::sender::Sender;

/// Registers the metrics.
pub(crate) fn register(registry: &mut Registry, sender: Arc<Sender>) {
    at_scrape(registry, move |encoder| {
        let none: [(&'static str, String); 0] = [];
        let count = |count: usize| value(u64::try_from(count).unwrap_or_default());
        let sending = [(none.clone(), count(sender.sending().len()))];
        gauges(encoder, "notifier_webhook_sending", "Events of webhooks in an attempt", None, sending)?;
        let help = "Webhooks without requests because they fail or ask for a pause";
        gauges(encoder, "notifier_webhooks_pausing", help, None, [(none.clone(), count(sender.pausing()))])?;
        let help = "Webhooks that are stopped at a position of a stream, counted for each stream";
        gauges(encoder, "notifier_webhooks_stopped", help, None, [(none, count(sender.stopped()))])
    });
}
