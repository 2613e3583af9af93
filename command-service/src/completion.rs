//! Runs requests to their end. The HTTP server drops the future of a request when its client disconnects, which could
//! stop a request with several effects between two of them.

use std::{panic::resume_unwind, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tokio::{sync::watch, time::timeout};
use tracing::Instrument;

use crate::error::Error;

/// The time that requests without a client get after the shutdown signal.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// The requests in progress. Cheap to clone: all clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunningRequests(watch::Sender<()>);

impl RunningRequests {
    /// Waits until all requests have ended, at most [`DRAIN_TIMEOUT`]. No request may begin any more.
    pub(crate) async fn drained(&self) {
        if timeout(DRAIN_TIMEOUT, self.0.closed()).await.is_err() {
            tracing::warn!(requests = self.0.receiver_count(), "requests were interrupted");
        }
    }
}

/// Runs each request of these routes in a task of its own, which outlives the connection.
pub(crate) fn run_to_completion(routes: Router, running: RunningRequests) -> Router {
    routes.layer(middleware::from_fn_with_state(running, run))
}

async fn run(State(running): State<RunningRequests>, request: Request, next: Next) -> Response {
    let running = running.0.subscribe();
    let handler = async move {
        let response = next.run(request).await;
        drop(running);
        response
    };
    match tokio::spawn(handler.in_current_span()).await {
        Ok(response) => response,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_) => Error::log_unavailable("the process stops", true).into_response(),
        },
    }
}
