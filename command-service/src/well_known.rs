//! `GET /.well-known/jwks.json`: the public keys, for whoever verifies our tokens elsewhere.

use axum::{
    Router,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use service_kit::auth::Verifier;

/// For less time than a new key is published before it signs.
const CACHING: &str = "public, max-age=30";

/// The page.
pub(crate) fn router(verifier: Verifier) -> Router {
    Router::new().route("/.well-known/jwks.json", get(async move || jwks(&verifier)))
}

fn jwks(verifier: &Verifier) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/jwk-set+json"), (header::CACHE_CONTROL, CACHING)];
    let keys = serde_json::to_string(&verifier.jwks()).expect("keys have a JSON form");
    (headers, keys).into_response()
}
