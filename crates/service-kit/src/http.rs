//! The HTTP server around a router: request ids, limits, errors as problems.

mod client;
mod connection_limits;
mod heads;
pub mod origins;
mod rates;
mod requests;
pub(crate) mod rest;
mod server;
mod tls;

pub use client::{ClientAddress, client_address};
pub use rates::{Rate, RateArgs, Rates, limit};
pub use server::{ListenArgs, listen, serve};

use std::{any::Any, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use prometheus_client::registry::Registry;
use tokio::time::timeout;
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    trace::TraceLayer,
};

use tracing::{Span, field::Empty};

use crate::{
    clock, extract,
    problem::{Problem, REQUEST_ID, set_request_id},
    trace::{self, TRACEPARENT},
};

/// The maximum size of a request's body.
pub const BODY_LIMIT: usize = 64 * 1024;

/// The timeout of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Registers the metrics of requests and connections.
pub(crate) fn register(registry: &mut Registry) {
    requests::register(registry);
    connection_limits::register(registry);
    rates::register(registry);
}

#[derive(Clone)]
struct NewRequestId;

impl MakeRequestId for NewRequestId {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        HeaderValue::from_str(&clock::new_id().to_string()).ok().map(RequestId::new)
    }
}

/// Wraps a router in the layers that all services have. Call it last, before serving.
pub fn finish(router: Router) -> Router {
    router
        .fallback(async || extract::not_found())
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed")
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn(apply_timeout))
        .layer(middleware::from_fn(heads::limit_head))
        .layer(CatchPanicLayer::custom(on_panic))
        .layer(middleware::from_fn(log_problems))
        .layer(middleware::from_fn(set_request_id))
        .layer(TraceLayer::new_for_http().make_span_with(span_of).on_response(record_status).on_failure(()))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, NewRequestId))
        .layer(middleware::from_fn(drop_invalid_id))
        .layer(middleware::map_response(add_security_headers))
        .layer(middleware::from_fn(rest::drain_body))
}

/// Paths that machines request continually. They are not traced.
const UNTRACED: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Returns the span of a request, which continues the client's trace. Errors are logged in it by `log_problems` only.
fn span_of(request: &Request) -> Span {
    if UNTRACED.contains(&request.uri().path()) {
        return Span::none();
    }
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let span = tracing::info_span!(
        "request",
        otel.name = Empty,
        otel.kind = Empty,
        trace_id = Empty,
        http.request.method = %request.method(),
        http.route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str),
        http.response.status_code = Empty,
        url.path = request.uri().path(),
        request.id = header(REQUEST_ID.as_str()),
    );
    if trace::is_on() {
        let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
        span.record("otel.name", format!("{} {route}", request.method()));
        span.record("otel.kind", "server");
        trace::continue_from(&span, header(TRACEPARENT));
        span.record("trace_id", trace::id_of(&span));
    }
    span
}

fn record_status(response: &Response, _: Duration, span: &Span) {
    span.record("http.response.status_code", response.status().as_u16());
}

/// Removes the client's request id unless it is a short plain word. A new one replaces it.
async fn drop_invalid_id(mut request: Request, next: Next) -> Response {
    if request.headers().get(REQUEST_ID).is_some_and(|id| !is_plain_id(id.as_bytes())) {
        request.headers_mut().remove(REQUEST_ID);
    }
    next.run(request).await
}

/// Returns true if a client's request id is a short plain word, safe for logs and responses.
pub fn is_plain_id(id: &[u8]) -> bool {
    (1..=64).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

async fn apply_timeout(request: Request, next: Next) -> Response {
    match timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "The request took too long")
            .retry_after(1)
            .into_response(),
    }
}

async fn log_problems(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    if let Some(problem) = response.extensions().get::<Problem>() {
        let (code, detail) = (problem.code(), problem.detail_text());
        if problem.status().is_server_error() {
            tracing::warn!(problem.code = code, problem.detail = detail, "request failed");
        } else {
            tracing::debug!(problem.code = code, problem.detail = detail, "request refused");
        }
    }
    response
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands the panic over")]
fn on_panic(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    tracing::error!(panic = text, "a handler panicked");
    Problem::internal().into_response()
}

async fn add_security_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(HeaderName::from_static("cache-control")).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
