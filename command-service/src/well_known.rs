//! `GET /.well-known/jwks.json`: the public keys, for verification of our tokens by other systems.

use axum::{
    Router,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use service_kit::auth::Verifier;

/// The cache lifetime: shorter than the time from the publication of a key until it signs.
const CACHING: &str = "public, max-age=30";

/// Returns the route of the page.
pub(crate) fn router(verifier: Verifier) -> Router {
    Router::new().route("/.well-known/jwks.json", get(async move || jwks(&verifier)))
}

fn jwks(verifier: &Verifier) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/jwk-set+json"), (header::CACHE_CONTROL, CACHING)];
    let keys = serde_json::to_string(&verifier.jwks()).expect("keys have a JSON form");
    (headers, keys).into_response()
}
