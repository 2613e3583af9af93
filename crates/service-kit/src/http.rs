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

use std::{any::Any, panic::AssertUnwindSafe, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use prometheus_client::registry::Registry;
use tokio::time::timeout;
use tracing::{Instrument, Span, field::Empty};
use uuid::Uuid;

use crate::{
    clock, extract,
    problem::{self, Problem, REQUEST_ID},
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

/// Adds to a router what all services do around their requests. Call it last, before serving.
pub fn finish(router: Router) -> Router {
    finish_within(router, REQUEST_TIMEOUT)
}

/// The same as [`finish`], with another timeout of a request.
pub fn finish_within(router: Router, limit: Duration) -> Router {
    router
        .fallback(async || extract::not_found())
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed")
        })
        .layer(middleware::from_fn_with_state(limit, handle))
}

/// Handles a request within limits, in a span, with an id, and with a problem in place of each error. This is one layer
/// because each layer clones all inner ones for each request.
async fn handle(State(limit): State<Duration>, mut request: Request, next: Next) -> Response {
    let id = ensure_request_id(&mut request);
    let (mut request, rest) = rest::keep(request);
    DefaultBodyLimit::max(BODY_LIMIT).apply(&mut request);
    let span = span_of(&request);
    let mut response = async {
        let response = match heads::check(&request) {
            Ok(()) => AssertUnwindSafe(run(request, next, limit)).catch_unwind().await.unwrap_or_else(on_panic),
            Err(problem) => problem.into_response(),
        };
        log_problem(&response);
        response
    }
    .instrument(span.clone())
    .await;
    span.record("http.response.status_code", response.status().as_u16());
    drop(span);
    set_request_id(&mut response, &id);
    add_security_headers(&mut response);
    rest.discard().await;
    response
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

/// Returns the request's id. A new one replaces the client's if that is not a short plain word.
fn ensure_request_id(request: &mut Request) -> HeaderValue {
    if let Some(id) = request.headers().get(REQUEST_ID).filter(|id| is_plain_id(id.as_bytes())) {
        return id.clone();
    }
    let mut text = Uuid::encode_buffer();
    let text = clock::new_id().hyphenated().encode_lower(&mut text);
    let id = HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("none"));
    request.headers_mut().insert(REQUEST_ID, id.clone());
    id
}

/// Returns true if a client's request id is a short plain word, safe for logs and responses.
pub fn is_plain_id(id: &[u8]) -> bool {
    (1..=64).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

async fn run(request: Request, next: Next, limit: Duration) -> Response {
    match timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "The request took too long")
            .retry_after(1)
            .into_response(),
    }
}

fn log_problem(response: &Response) {
    if let Some(problem) = response.extensions().get::<Problem>() {
        let (code, detail) = (problem.code(), problem.detail_text());
        if problem.status().is_server_error() {
            tracing::warn!(problem.code = code, problem.detail = detail, "request failed");
        } else {
            tracing::debug!(problem.code = code, problem.detail = detail, "request refused");
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "unwinding hands the panic over")]
fn on_panic(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    tracing::error!(panic = text, "a handler panicked");
    Problem::internal().into_response()
}

/// Sets the id of the request in the response, and in the problem if it is one.
fn set_request_id(response: &mut Response, id: &HeaderValue) {
    problem::set_request_id(response, id.to_str().unwrap_or_default());
    response.headers_mut().insert(REQUEST_ID, id.clone());
}

fn add_security_headers(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests;
