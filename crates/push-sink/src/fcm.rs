//! FCM, HTTP v1.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, State as Shared},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    credentials::PROJECT,
    records::Service,
    state::{Call, Connection, MAX_BYTES, Rejection, State},
};

/// The error codes of FCM itself. Others are those of all Google APIs.
const FCM_CODES: [&str; 7] = [
    "INVALID_ARGUMENT",
    "UNREGISTERED",
    "SENDER_ID_MISMATCH",
    "QUOTA_EXCEEDED",
    "UNAVAILABLE",
    "INTERNAL",
    "THIRD_PARTY_AUTH_ERROR",
];

/// The name by which a behaviour asks for an invalid argument that is the token.
const INVALID_TOKEN: &str = "INVALID_TOKEN";

/// The name by which a behaviour asks for the quota of one device.
const DEVICE_QUOTA_EXCEEDED: &str = "DEVICE_QUOTA_EXCEEDED";

/// The longest time for which FCM keeps a message, in seconds.
const MAX_TTL: u64 = 2_419_200;

/// Accepts a message.
pub(crate) async fn send(
    Shared(state): Shared<Arc<State>>,
    Extension(connection): Extension<Connection>,
    Path(project): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let checked = authorize(&state, &project, &headers).and_then(|()| check(&body["message"]));
    let target = body["message"]["token"].as_str().unwrap_or_default().to_owned();
    let call = Call { service: Service::Fcm, target, headers: &headers, body };
    let outcome = state.decide(&connection, call, checked, usual_reason).await;
    let response = match &outcome.result {
        Ok(()) => {
            let name = format!("projects/{PROJECT}/messages/0:{}", outcome.sequence);
            Json(json!({"name": name})).into_response()
        }
        Err(rejection) => error(rejection),
    };
    outcome.finish(response)
}

fn usual_reason(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "SENDER_ID_MISMATCH",
        404 => "UNREGISTERED",
        429 => "QUOTA_EXCEEDED",
        500 => "INTERNAL",
        501.. => "UNAVAILABLE",
        _ => "INVALID_ARGUMENT",
    }
}

fn authorize(state: &State, project: &str, headers: &HeaderMap) -> Result<(), Rejection> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
    if !token.is_some_and(|token| state.issued.is_valid(token)) {
        return Err(Rejection::new(401, "UNAUTHENTICATED"));
    }
    if project == PROJECT { Ok(()) } else { Err(Rejection::new(403, "PERMISSION_DENIED")) }
}

fn check(message: &Value) -> Result<(), Rejection> {
    let invalid = || Rejection::new(400, "INVALID_ARGUMENT");
    let token = message["token"].as_str().ok_or_else(invalid)?;
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Rejection::new(400, INVALID_TOKEN));
    }
    let data = match &message["data"] {
        Value::Null => None,
        data => Some(data.as_object().ok_or_else(invalid)?),
    };
    let mut size = 0;
    for (name, value) in data.into_iter().flatten() {
        let is_reserved =
            ["from", "message_type"].contains(&name.as_str()) || name.starts_with("google") || name.starts_with("gcm");
        let value = value.as_str().filter(|_| !is_reserved).ok_or_else(invalid)?;
        size += name.len() + value.len();
    }
    for text in ["title", "body"] {
        size += message["notification"][text].as_str().map_or(0, str::len);
    }
    let android = &message["android"];
    let ttl = match &android["ttl"] {
        Value::Null => Some(0),
        ttl => ttl.as_str().and_then(|ttl| ttl.strip_suffix('s')?.parse().ok()),
    };
    let has_priority =
        android["priority"].is_null() || android["priority"] == "HIGH" || android["priority"] == "NORMAL";
    let fits = size <= MAX_BYTES && ttl.is_some_and(|ttl: u64| ttl <= MAX_TTL) && has_priority;
    if fits { Ok(()) } else { Err(invalid()) }
}

fn error(rejection: &Rejection) -> Response {
    let code = match rejection.reason.as_str() {
        INVALID_TOKEN => "INVALID_ARGUMENT",
        DEVICE_QUOTA_EXCEEDED => "QUOTA_EXCEEDED",
        code => code,
    };
    let status = match rejection.status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        500 => "INTERNAL",
        503 => "UNAVAILABLE",
        _ => "UNKNOWN",
    };
    let mut details = Vec::new();
    if FCM_CODES.contains(&code) {
        details.push(json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}));
    }
    if rejection.reason == INVALID_TOKEN {
        let violation = json!({"field": "message.token", "description": "Invalid registration token"});
        details.push(json!({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}));
    }
    if rejection.reason == DEVICE_QUOTA_EXCEEDED {
        let violation = json!({"description": "Device message rate exceeded"});
        details.push(json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}));
    }
    let error =
        json!({"code": rejection.status, "message": "The sink rejects this.", "status": status, "details": details});
    let status = StatusCode::from_u16(rejection.status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, Json(json!({"error": error}))).into_response()
}
