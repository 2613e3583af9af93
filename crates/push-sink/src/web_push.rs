//! A Web Push service (RFC 8030, 8291, 8292) with the browsers behind it.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Path, State as Shared},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;
use web_push_native::Auth;

use crate::{
    jwt,
    records::Service,
    state::{Call, Connection, MAX_BYTES, Rejection, State},
    subscriptions::{Browser, Entry},
};

/// The longest lifetime of a token, in seconds.
const MAX_LIFETIME: u64 = 24 * 3600;

/// The maximum length of a topic.
const MAX_TOPIC: usize = 32;

const URGENCIES: [&str; 4] = ["very-low", "low", "normal", "high"];

/// Accepts a message.
pub(crate) async fn send(
    Shared(state): Shared<Arc<State>>,
    Extension(connection): Extension<Connection>,
    Path(id): Path<String>,
    headers: HeaderMap,
    content: Bytes,
) -> Response {
    let browser = match state.subscriptions.find(&id) {
        Some(Entry::Active(browser)) => Ok(browser),
        Some(Entry::Ended) => Err(Rejection::new(410, "the subscription has ended")),
        None => Err(Rejection::new(404, "there is no such subscription")),
    };
    let body = browser.as_ref().ok().and_then(|browser| decrypt(browser, &content)).unwrap_or_default();
    let checked = browser.and_then(|browser| {
        authorize(&state, &browser, &headers)?;
        check(&headers, content.len())
    });
    let call = Call { service: Service::WebPush, target: id, headers: &headers, body };
    let outcome = state.decide(&connection, call, checked, |_| "set by the behaviour").await;
    let response = match &outcome.result {
        Ok(()) => {
            let location = format!("{}/web-push-messages/{}", state.address, outcome.sequence);
            (StatusCode::CREATED, [(header::LOCATION, location)]).into_response()
        }
        Err(Rejection { status, reason }) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST);
            (status, reason.clone()).into_response()
        }
    };
    outcome.finish(response)
}

/// Returns the content as the browser reads it. Content that cannot be decrypted is accepted by real services too.
fn decrypt(browser: &Browser, content: &[u8]) -> Option<Value> {
    let text = web_push_native::decrypt(content.to_vec(), &browser.key, &Auth::from(browser.auth)).ok()?;
    let json = serde_json::from_slice(&text);
    Some(json.unwrap_or_else(|_| String::from_utf8_lossy(&text).into()))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn authorize(state: &State, browser: &Browser, headers: &HeaderMap) -> Result<(), Rejection> {
    let unauthorized = |reason: &str| Rejection::new(401, reason);
    let parts = text(headers, "authorization").and_then(|value| value.strip_prefix("vapid "));
    let parts = parts.ok_or_else(|| unauthorized("no vapid authorization"))?;
    let part = |name: &str| parts.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
    let (Some(token), Some(key)) = (part("t"), part("k")) else { return Err(unauthorized("no token or key")) };
    if browser.application_server_key.as_deref().is_some_and(|expected| expected != key) {
        return Err(Rejection::new(403, "the key is not that of the subscription"));
    }
    let point = BASE64_URL_SAFE_NO_PAD.decode(key).map_err(|_| unauthorized("the key is not base64url"))?;
    let claims = jwt::claims(token, Algorithm::ES256, &DecodingKey::from_ec_der(&point));
    let claims = claims.ok_or_else(|| unauthorized("the signature is invalid"))?;
    if claims["aud"].as_str() != Some(&state.address) {
        return Err(unauthorized("the audience is not this service"));
    }
    let contact = claims["sub"].as_str().unwrap_or_default();
    if !contact.starts_with("mailto:") && !contact.starts_with("https:") {
        return Err(unauthorized("there is no contact"));
    }
    let now = jwt::now();
    let fits = jwt::time(&claims, "exp").is_some_and(|at| now < at && at <= now + MAX_LIFETIME);
    if fits { Ok(()) } else { Err(unauthorized("the token has expired, or lives too long")) }
}

fn check(headers: &HeaderMap, size: usize) -> Result<(), Rejection> {
    let check = |is_valid: bool, reason| if is_valid { Ok(()) } else { Err(Rejection::new(400, reason)) };
    check(text(headers, "ttl").is_some_and(|ttl| ttl.parse::<u32>().is_ok()), "the TTL is absent or invalid")?;
    check(text(headers, "urgency").is_none_or(|urgency| URGENCIES.contains(&urgency)), "the urgency is invalid")?;
    let is_topic = |topic: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        topic.len() <= MAX_TOPIC && topic.bytes().all(is_letter)
    };
    check(text(headers, "topic").is_none_or(is_topic), "the topic is invalid")?;
    check(text(headers, "content-encoding") == Some("aes128gcm"), "the encoding is not aes128gcm")?;
    if size > MAX_BYTES { Err(Rejection::new(413, "the message is too large")) } else { Ok(()) }
}
