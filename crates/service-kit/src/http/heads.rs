//! The limits of a request's target and headers.

use axum::{extract::Request, http::StatusCode};

use crate::problem::Problem;

/// The maximum size of path and query. Two hundred rooms and a cursor of them fit.
pub(super) const MAX_TARGET: usize = 32 * 1024;

/// The maximum size of all headers together, names and values.
pub(super) const MAX_HEADERS: usize = 32 * 1024;

pub(super) fn check(request: &Request) -> Result<(), Problem> {
    if request.uri().path_and_query().is_some_and(|target| target.as_str().len() > MAX_TARGET) {
        return Err(Problem::new(StatusCode::URI_TOO_LONG, "uri-too-long", "The URI is too long"));
    }
    let bytes: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > MAX_HEADERS {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(Problem::new(status, "headers-too-large", "The headers are too large"));
    }
    Ok(())
}
