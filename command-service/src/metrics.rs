//! Metrics of commands that are updated where events occur.

use std::{sync::LazyLock, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use service_kit::metrics::{GaugeGuard, seconds};

/// The metrics. One per process.
pub(crate) struct Metrics {
    commands: Family<Command, Counter>,
    duration: Family<[(&'static str, String); 1], Histogram>,
    deadlines: Family<[(&'static str, &'static str); 1], Counter>,
    /// Users who were registered.
    pub(crate) registrations: Counter,
    filtered: Family<[(&'static str, &'static str); 1], Counter>,
    confirmations: Family<[(&'static str, &'static str); 1], Counter>,
    passwords_waiting: Gauge,
    /// Passwords that were rejected before they were hashed or compared.
    pub(crate) passwords_refused: Counter,
}

pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    commands: Family::default(),
    duration: Family::new_with_constructor(seconds),
    deadlines: Family::default(),
    registrations: Counter::default(),
    filtered: Family::default(),
    confirmations: Family::default(),
    passwords_waiting: Gauge::default(),
    passwords_refused: Counter::default(),
});

/// The labels of a command.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Command {
    pub(crate) operation: String,
    pub(crate) transport: &'static str,
    /// `done`, `replayed`, or the problem code.
    pub(crate) outcome: &'static str,
}

/// The result of a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The deadline closed its room.
    Closed,
    /// The deadline warned the members that their room closes soon.
    Warned,
    /// The room was closed already or is gone, or its members were warned already.
    Stale,
    /// The room has another deadline, which is scheduled again.
    ArmedAgain,
}

/// The result of the delivery of a link that confirms a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// The hook accepted it.
    Sent,
    /// Every attempt failed.
    Failed,
    /// Too many others waited.
    Dropped,
}

impl Delivered {
    const ALL: [Self; 3] = [Self::Sent, Self::Failed, Self::Dropped];

    fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// The result of filters for a text in which they had a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filtering {
    /// The places were masked.
    Masked,
    /// The text waits for a moderator.
    Held,
    /// The text was refused.
    Refused,
}

impl Filtering {
    const ALL: [Self; 3] = [Self::Masked, Self::Held, Self::Refused];

    fn name(self) -> &'static str {
        match self {
            Self::Masked => "masked",
            Self::Held => "held",
            Self::Refused => "refused",
        }
    }
}

/// The labels of all results of deadlines.
const DEADLINE_OUTCOMES: [&str; 5] = ["closed", "warned", "stale", "armed_again", "failed"];

/// Registers these metrics and those of the log.
pub(crate) fn register(registry: &mut Registry) {
    event_store::metrics::register(registry);
    let m = &*METRICS;
    for outcome in DEADLINE_OUTCOMES {
        // All outcomes exist from the start, so that rates have a first value.
        drop(m.deadlines.get_or_create(&[("outcome", outcome)]));
    }
    for delivered in Delivered::ALL {
        drop(m.confirmations.get_or_create(&[("outcome", delivered.name())]));
    }
    let help = "Commands by operation, transport and outcome: done, replayed, or the problem code";
    registry.register("commands", help, m.commands.clone());
    let help = "Duration of commands, by operation";
    registry.register_with_unit("command_duration", help, Unit::Seconds, m.duration.clone());
    let help = "Deadlines of rooms that have fired, by result";
    registry.register("deadlines", help, m.deadlines.clone());
    for filtering in Filtering::ALL {
        drop(m.filtered.get_or_create(&[("outcome", filtering.name())]));
    }
    let help = "Texts in which a filter had a match, by outcome: masked, held or refused";
    registry.register("filtered_texts", help, m.filtered.clone());
    registry.register("registrations", "Users who were registered", m.registrations.clone());
    let help = "Links that confirm registrations, by the result of their delivery";
    registry.register("confirmations", help, m.confirmations.clone());
    let help = "Passwords waiting to be hashed or compared";
    registry.register("passwords_waiting", help, m.passwords_waiting.clone());
    let help = "Passwords rejected unchecked because too many were waiting, or for too long";
    registry.register("passwords_refused", help, m.passwords_refused.clone());
}

impl Metrics {
    /// Counts a command and its duration.
    pub(crate) fn executed(&self, command: &Command, took: Duration) {
        self.duration.get_or_create(&[("operation", command.operation.clone())]).observe(took.as_secs_f64());
        self.commands.get_or_create(command).inc();
    }

    /// Counts a deadline by its outcome; `None` is a failure, after which the deadline fires again.
    pub(crate) fn fired(&self, outcome: Option<Outcome>) {
        let [closed, warned, stale, armed_again, failed] = DEADLINE_OUTCOMES;
        let outcome = match outcome {
            Some(Outcome::Closed) => closed,
            Some(Outcome::Warned) => warned,
            Some(Outcome::Stale) => stale,
            Some(Outcome::ArmedAgain) => armed_again,
            None => failed,
        };
        self.deadlines.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// Counts a text in which a filter had a match.
    pub(crate) fn count_filtered(&self, filtering: Filtering) {
        self.filtered.get_or_create(&[("outcome", filtering.name())]).inc();
    }

    /// Counts the delivery of a link that confirms a registration.
    pub(crate) fn confirmation(&self, delivered: Delivered) {
        self.confirmations.get_or_create(&[("outcome", delivered.name())]).inc();
    }

    /// Counts a waiting password until the returned value is dropped.
    pub(crate) fn count_waiting_password(&self) -> GaugeGuard {
        GaugeGuard::in_gauge(&self.passwords_waiting)
    }
}
