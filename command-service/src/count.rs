//! Counts commands by operation, transport and outcome.

use std::{collections::HashMap, sync::Arc, time::Instant};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::Method,
    middleware::{self, Next},
    response::Response,
};
use service_kit::problem::Problem;
use utoipa::openapi::OpenApi;

use crate::{
    answer::IDEMPOTENT_REPLAY,
    gateway,
    metrics::{Command, METRICS},
};

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
pub(crate) fn with_metrics(commands: Router, transport: Transport, api: &OpenApi) -> Router {
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
    if let Some(operation) = operation {
        let command = Command { operation, transport: counting.transport, outcome: outcome(&response) };
        METRICS.executed(&command, begun.elapsed());
    }
    response
}

fn outcome(response: &Response) -> &'static str {
    if !response.status().is_success() {
        return response.extensions().get::<Problem>().map_or("unknown", Problem::code);
    }
    if response.headers().contains_key(IDEMPOTENT_REPLAY) { "replayed" } else { "done" }
}
