//! Entity tags of responses about one resource: a client that has the current state gets `304` without a body.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use service_kit::problem::Problem;
use sha2::{Digest, Sha256};

/// The length of an entity tag in bytes of the digest.
const TAG_BYTES: usize = 12;

/// Adds an entity tag to a successful response. Answers `304` if the client has the response already.
pub(crate) async fn tag(request: Request, next: Next) -> Response {
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let response = next.run(request).await;
    if response.status() != StatusCode::OK {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else { return Problem::internal().into_response() };
    let digest = Sha256::digest(&body);
    // Weak, because a compressed response has the same one.
    let tag = format!("W/\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(digest.get(..TAG_BYTES).unwrap_or_default()));
    let is_known = known.as_ref().is_some_and(|known| contains(known, &tag));
    if let Ok(value) = HeaderValue::try_from(tag) {
        parts.headers.insert(header::ETAG, value);
    }
    // A cache may keep the response, but must ask before each use.
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if is_known {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, body.into())
}

/// Returns true if an `If-None-Match` contains the tag. The comparison is weak (RFC 9110, 8.8.3.2).
fn contains(known: &HeaderValue, tag: &str) -> bool {
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let known = known.to_str().unwrap_or_default();
    known.trim() == "*" || known.split(',').any(|known| strong(known) == strong(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_compared_weakly() {
        for known in ["W/\"abc\"", "\"abc\"", "\"x\", W/\"abc\"", "*"] {
            assert!(contains(&HeaderValue::from_static(known), "W/\"abc\""), "{known}");
        }
        for known in ["", "\"abcd\"", "abc"] {
            assert!(!contains(&HeaderValue::from_static(known), "W/\"abc\""), "{known}");
        }
    }
}
