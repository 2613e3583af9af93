//! APNs.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, State as Shared},
    http::{HeaderMap, StatusCode, Version, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    credentials::{APNS_KEY_ID, APNS_TEAM_ID},
    jwt,
    records::Service,
    state::{Call, Connection, MAX_BYTES, Rejection, State},
};

/// The age from which on a provider token is expired, in seconds.
const MAX_TOKEN_AGE: u64 = 3600;

/// The maximum length of a collapse id, in bytes.
const MAX_COLLAPSE_ID: usize = 64;

const PUSH_TYPES: [&str; 3] = ["alert", "background", "voip"];

/// Accepts a message.
pub(crate) async fn send(
    Shared(state): Shared<Arc<State>>,
    Extension(connection): Extension<Connection>,
    Path(token): Path<String>,
    version: Version,
    headers: HeaderMap,
    content: Bytes,
) -> Response {
    let body: Value = serde_json::from_slice(&content).unwrap_or_default();
    let checked = authorize(&state, &headers)
        .and_then(|()| check_headers(version, &headers))
        .and_then(|()| check_message(&token, &body, content.len()));
    let call = Call { service: Service::Apns, target: token, headers: &headers, body };
    let outcome = state.decide(&connection, call, checked, usual_reason).await;
    let id = headers.get("apns-id").cloned();
    let mut response = match &outcome.result {
        Ok(()) => StatusCode::OK.into_response(),
        Err(Rejection { status, reason }) => {
            let mut body = json!({"reason": reason});
            if *status == 410 {
                body["timestamp"] = outcome.timestamp().into();
            }
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST);
            (status, Json(body)).into_response()
        }
    };
    response.headers_mut().extend(id.map(|id| (header::HeaderName::from_static("apns-id"), id)));
    outcome.finish(response)
}

fn usual_reason(status: u16) -> &'static str {
    match status {
        401 | 403 => "InvalidProviderToken",
        404 => "BadPath",
        410 => "Unregistered",
        413 => "PayloadTooLarge",
        429 => "TooManyRequests",
        500 => "InternalServerError",
        501.. => "ServiceUnavailable",
        _ => "BadMessageId",
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn authorize(state: &State, headers: &HeaderMap) -> Result<(), Rejection> {
    let forbidden = |reason: &str| Rejection::new(403, reason);
    let token = text(headers, "authorization").and_then(|value| value.strip_prefix("bearer "));
    let token = token.ok_or_else(|| forbidden("MissingProviderToken"))?;
    let invalid = || forbidden("InvalidProviderToken");
    let key_id = jsonwebtoken::decode_header(token).ok().and_then(|header| header.kid);
    let key = DecodingKey::from_ec_der(&state.credentials.apns.public);
    let claims = jwt::claims(token, Algorithm::ES256, &key).ok_or_else(invalid)?;
    if key_id.as_deref() != Some(APNS_KEY_ID) || claims["iss"] != APNS_TEAM_ID {
        return Err(invalid());
    }
    let issued = jwt::time(&claims, "iat").ok_or_else(invalid)?;
    let now = jwt::now();
    let is_current = issued <= now + jwt::LEEWAY && now < issued + MAX_TOKEN_AGE;
    if is_current { Ok(()) } else { Err(forbidden("ExpiredProviderToken")) }
}

fn check_headers(version: Version, headers: &HeaderMap) -> Result<(), Rejection> {
    let bad = |reason: &str| Rejection::new(400, reason);
    let check = |is_valid: bool, reason| if is_valid { Ok(()) } else { Err(bad(reason)) };
    check(version == Version::HTTP_2, "BadProtocol")?;
    check(text(headers, "apns-topic").is_some_and(|topic| !topic.is_empty()), "MissingTopic")?;
    check(text(headers, "apns-push-type").is_some_and(|kind| PUSH_TYPES.contains(&kind)), "InvalidPushType")?;
    check(text(headers, "apns-id").is_none_or(|id| Uuid::try_parse(id).is_ok()), "BadMessageId")?;
    check(text(headers, "apns-expiration").is_none_or(|at| at.parse::<u64>().is_ok()), "BadExpirationDate")?;
    let priority = text(headers, "apns-priority").unwrap_or("10");
    let is_background = text(headers, "apns-push-type") == Some("background");
    check(["1", "5", "10"].contains(&priority) && !(is_background && priority == "10"), "BadPriority")?;
    check(text(headers, "apns-collapse-id").is_none_or(|id| id.len() <= MAX_COLLAPSE_ID), "BadCollapseId")
}

fn check_message(token: &str, body: &Value, size: usize) -> Result<(), Rejection> {
    if token.len() < 64 || !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Rejection::new(400, "BadDeviceToken"));
    }
    if size > MAX_BYTES {
        return Err(Rejection::new(413, "PayloadTooLarge"));
    }
    if body["aps"].is_object() { Ok(()) } else { Err(Rejection::new(400, "PayloadEmpty")) }
}
