//! Runs requests to their end. The HTTP server drops the future of a request when its client disconnects, which could
//! stop a request with several effects between two of them.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};
use futures::{FutureExt, future::BoxFuture};
use tokio::{runtime::Handle, sync::watch, time::timeout};
use tracing::Instrument;

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

/// Runs each request of these routes to its end, even if the connection ends before.
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
    Completing(Some(handler.in_current_span().boxed())).await
}

/// A request in progress. Continues in a task of its own when it is dropped.
struct Completing(Option<BoxFuture<'static, Response>>);

impl Future for Completing {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response> {
        // Not put back after a panic.
        let Some(mut handler) = self.0.take() else { return Poll::Pending };
        let response = handler.poll_unpin(context);
        if response.is_pending() {
            self.0 = Some(handler);
        }
        response
    }
}

impl Drop for Completing {
    fn drop(&mut self) {
        if let Some(handler) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(handler);
        }
    }
}
