//! Metrics of requests and their durations, by route and never by path.

use std::{sync::LazyLock, time::Instant};

use axum::{
    extract::{MatchedPath, Request},
    http::Method,
    middleware::Next,
    response::Response,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::metrics::seconds;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResponseLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
}

static RESPONSES: LazyLock<Family<ResponseLabels, Counter>> = LazyLock::new(Family::default);
static DURATION: LazyLock<Family<RequestLabels, Histogram>> = LazyLock::new(|| Family::new_with_constructor(seconds));

pub(super) fn register(registry: &mut Registry) {
    registry.register("http_requests", "HTTP requests by route and status", RESPONSES.clone());
    let help = "Time to the response's head, without the streams of /live and /events";
    registry.register_with_unit("http_request_duration", help, Unit::Seconds, DURATION.clone());
}

/// Counts a request. Must be the outermost layer of the router.
pub(super) async fn count(request: Request, next: Next) -> Response {
    let started_at = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = known(request.method());
    let response = next.run(request).await;
    let labels = RequestLabels { method, route };
    DURATION.get_or_create(&labels).observe(started_at.elapsed().as_secs_f64());
    let RequestLabels { method, route } = labels;
    RESPONSES.get_or_create(&ResponseLabels { method, route, status: response.status().as_u16() }).inc();
    response
}

/// Maps methods to labels. Unknown methods share one, so that clients cannot create labels.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
