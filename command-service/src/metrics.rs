//! Metrics of commands, for Prometheus.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
    time::Instant,
};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::Method,
    middleware::{self, Next},
    response::Response,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use service_kit::{
    metrics::{at_scrape, gauges, seconds, value},
    problem::Problem,
};
use utoipa::openapi::OpenApi;

use crate::{answer::IDEMPOTENT_REPLAY, app::App, deadlines::Outcome, gateway};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Command {
    operation: String,
    transport: &'static str,
    outcome: &'static str,
}

static COMMANDS: LazyLock<Family<Command, Counter>> = LazyLock::new(Family::default);
static DURATION: LazyLock<Family<[(&'static str, String); 1], Histogram>> =
    LazyLock::new(|| Family::new_with_constructor(seconds));
static PASSWORDS_WAITING: LazyLock<Gauge> = LazyLock::new(Gauge::default);
static PASSWORDS_REFUSED: LazyLock<Counter> = LazyLock::new(Counter::default);
static DEADLINES: LazyLock<Family<[(&'static str, &'static str); 1], Counter>> = LazyLock::new(Family::default);

/// Registers all metrics of a command-service.
pub(crate) fn register(registry: &mut Registry, app: App) {
    event_store::metrics::register(registry);
    for outcome in DEADLINE_OUTCOMES {
        // All outcomes exist from the start, so that rates have a first value.
        drop(DEADLINES.get_or_create(&[("outcome", outcome)]));
    }
    let help = "Commands by operation, transport and outcome: done, replayed, or the problem code";
    registry.register("commands", help, COMMANDS.clone());
    let help = "Duration of commands, by operation";
    registry.register_with_unit("command_duration", help, Unit::Seconds, DURATION.clone());
    let help = "Deadlines of rooms that have fired, by result";
    registry.register("deadlines", help, DEADLINES.clone());
    let help = "Passwords waiting to be hashed or compared";
    registry.register("passwords_waiting", help, PASSWORDS_WAITING.clone());
    let help = "Passwords rejected unchecked because too many were waiting, or for too long";
    registry.register("passwords_refused", help, PASSWORDS_REFUSED.clone());
    at_scrape(registry, move |encoder| {
        let tails = app.tails();
        let labelled = |stream: &wire::StreamName| [("stream", stream.label())];
        let read = tails.iter().map(|(stream, tail)| (labelled(stream), value(tail.sequence)));
        gauges(encoder, "tail_position", "Last sequence of the stream that was read", None, read)?;
        let lag = tails.iter().map(|(stream, tail)| (labelled(stream), value(tail.end.saturating_sub(tail.sequence))));
        gauges(encoder, "tail_lag_commits", "Commits of the stream that were not read yet", None, lag)?;
        let behind = tails.iter().map(|(stream, tail)| (labelled(stream), f64::from(u8::from(tail.caught_up))));
        gauges(encoder, "tail_caught_up", "1 if the stream was read up to its end, else 0", None, behind)?;
        let damaged = tails.iter().map(|(stream, tail)| (labelled(stream), f64::from(u8::from(tail.damage.is_some()))));
        gauges(encoder, "tail_damaged", "1 if the stream differs from earlier reads, else 0", None, damaged)?;
        let known = [app.boxes.remembered(), app.users.remembered(), app.stores.remembered()].concat();
        let known = known.iter().map(|(stream, count)| (labelled(stream), value(*count as u64)));
        gauges(encoder, "idempotency_entries", "Commands remembered to answer their repeats", None, known)
    });
}

const DEADLINE_OUTCOMES: [&str; 4] = ["closed", "stale", "armed_again", "failed"];

/// Counts a deadline by its outcome; `None` is a failure, after which the deadline fires again.
pub(crate) fn count_deadline(outcome: Option<Outcome>) {
    let [closed, stale, armed_again, failed] = DEADLINE_OUTCOMES;
    let outcome = match outcome {
        Some(Outcome::Closed) => closed,
        Some(Outcome::Stale) => stale,
        Some(Outcome::ArmedAgain) => armed_again,
        None => failed,
    };
    DEADLINES.get_or_create(&[("outcome", outcome)]).inc();
}

/// Counts a waiting password until the returned value is dropped.
pub(crate) fn password_waits() -> impl Drop {
    PASSWORDS_WAITING.inc();
    PasswordWaits
}

struct PasswordWaits;

impl Drop for PasswordWaits {
    fn drop(&mut self) {
        PASSWORDS_WAITING.dec();
    }
}

/// Counts a password that was rejected before it was hashed or compared.
pub(crate) fn password_refused() {
    PASSWORDS_REFUSED.inc();
}

/// The transport of a command.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Transport {
    Http,
    Nats,
}

#[derive(Clone)]
struct Counting {
    /// The operation of each method and route.
    operations: Arc<HashMap<(Method, String), String>>,
    transport: &'static str,
}

/// Counts every command that passes through these routes.
pub(crate) fn counted(commands: Router, transport: Transport, api: &OpenApi) -> Router {
    let transport = match transport {
        Transport::Http => "http",
        Transport::Nats => "nats",
    };
    let operations = Arc::new(gateway::names(api));
    commands.layer(middleware::from_fn_with_state(Counting { operations, transport }, count))
}

async fn count(State(counting): State<Counting>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = path.map(|path| (request.method().clone(), path));
    let operation = route.and_then(|route| counting.operations.get(&route).cloned());
    let response = next.run(request).await;
    let Some(operation) = operation else { return response };
    DURATION.get_or_create(&[("operation", operation.clone())]).observe(begun.elapsed().as_secs_f64());
    let command = Command { operation, transport: counting.transport, outcome: outcome(&response) };
    COMMANDS.get_or_create(&command).inc();
    response
}

fn outcome(response: &Response) -> &'static str {
    if !response.status().is_success() {
        return response.extensions().get::<Problem>().map_or("unknown", Problem::code);
    }
    if response.headers().contains_key(IDEMPOTENT_REPLAY) { "replayed" } else { "done" }
}
