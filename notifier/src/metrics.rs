//! Metrics of the notifier.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use service_kit::metrics::{at_scrape, gauges, seconds, value};

use crate::{delivery::Delivery, pushes::Outcome, status::Statuses, webhooks::deliveries};

/// All outcomes of an attempt by name.
const OUTCOMES: [&str; 6] = ["sent", "skipped", "gone", "dead", "retry", "postponed"];

/// All outcomes of an attempt to send a webhook by name.
const WEBHOOK_OUTCOMES: [&str; 5] = ["done", "retry", "dead", "gone", "postponed"];

/// Metrics that are updated at the event.
pub(crate) struct Metrics {
    planned: Family<[(&'static str, String); 1], Counter>,
    attempts: Family<[(&'static str, &'static str); 2], Counter>,
    duration: Family<[(&'static str, &'static str); 1], Histogram>,
    pub(crate) webhooks: WebhookMetrics,
}

/// Metrics of webhooks.
pub(crate) struct WebhookMetrics {
    planned: Counter,
    attempts: Family<[(&'static str, &'static str); 1], Counter>,
    duration: Histogram,
}

pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    planned: Family::default(),
    attempts: Family::default(),
    duration: Family::new_with_constructor(seconds),
    webhooks: WebhookMetrics { planned: Counter::default(), attempts: Family::default(), duration: seconds() },
});

/// Registers the metrics.
pub(crate) fn register(registry: &mut Registry, statuses: Statuses, delivery: Arc<Delivery>) {
    // All label values exist from the start: a rate needs an initial sample.
    for route in &delivery.routes {
        drop(METRICS.duration.get_or_create(&[("provider", route.provider)]));
        for outcome in OUTCOMES {
            drop(METRICS.attempts.get_or_create(&[("provider", route.provider), ("outcome", outcome)]));
        }
    }
    let Metrics { planned, attempts, duration, webhooks } = &*METRICS;
    webhooks.register(registry);
    registry.register("notifier_alarms", "Alarms of users with devices, planned by this process", planned.clone());
    registry.register("notifier_push_attempts", "Attempts to send push messages", attempts.clone());
    let help = "Duration of attempts to send push messages";
    registry.register_with_unit("notifier_push_duration", help, Unit::Seconds, duration.clone());
    at_scrape(registry, move |encoder| {
        let none: [(&'static str, String); 0] = [];
        let working = value(u64::try_from(statuses.working()).unwrap_or_default());
        gauges(
            encoder,
            "notifier_streams",
            "Streams whose alarms this process tells",
            None,
            [(none.clone(), working)],
        )?;
        let sending = value(u64::try_from(delivery.sending().len()).unwrap_or_default());
        gauges(encoder, "notifier_push_sending", "Push messages in an attempt", None, [(none, sending)])?;
        let paused = delivery
            .routes
            .iter()
            .map(|route| ([("provider", route.provider.to_owned())], f64::from(u8::from(route.gate.is_paused()))));
        gauges(encoder, "notifier_provider_paused", "1 while calls to a provider pause, else 0", None, paused)
    });
}

impl WebhookMetrics {
    fn register(&self, registry: &mut Registry) {
        for outcome in WEBHOOK_OUTCOMES {
            drop(self.attempts.get_or_create(&[("outcome", outcome)]));
        }
        let help = "Events of webhooks planned by this process";
        registry.register("notifier_webhook_events", help, self.planned.clone());
        registry.register("notifier_webhook_attempts", "Attempts to send webhooks", self.attempts.clone());
        let help = "Duration of attempts to send webhooks";
        registry.register_with_unit("notifier_webhook_duration", help, Unit::Seconds, self.duration.clone());
    }

    /// Counts planned events.
    pub(crate) fn planned(&self, events: u64) {
        self.planned.inc_by(events);
    }

    /// Counts one attempt.
    pub(crate) fn attempted(&self, outcome: &deliveries::Outcome, duration: Duration) {
        let outcome = match outcome {
            deliveries::Outcome::Done => "done",
            deliveries::Outcome::Retry(..) => "retry",
            deliveries::Outcome::Dead(_) => "dead",
            deliveries::Outcome::Gone(_) => "gone",
            deliveries::Outcome::Postponed(_) => "postponed",
        };
        self.attempts.get_or_create(&[("outcome", outcome)]).inc();
        self.duration.observe(duration.as_secs_f64());
    }
}

impl Metrics {
    /// Counts planned alarms of a stream.
    pub(crate) fn planned(&self, stream: &str, alarms: u64) {
        self.planned.get_or_create(&[("stream", stream.to_owned())]).inc_by(alarms);
    }

    /// Counts one attempt.
    pub(crate) fn attempted(&self, provider: &'static str, outcome: &Outcome, duration: Duration) {
        let outcome = match outcome {
            Outcome::Sent => "sent",
            Outcome::Skipped(_) => "skipped",
            Outcome::Gone => "gone",
            Outcome::Dead(_) => "dead",
            Outcome::Retry(..) => "retry",
            Outcome::Postponed(_) => "postponed",
        };
        self.attempts.get_or_create(&[("provider", provider), ("outcome", outcome)]).inc();
        self.duration.get_or_create(&[("provider", provider)]).observe(duration.as_secs_f64());
    }
}
