//! Converts a NATS message to an HTTP request, and an HTTP response to the message that answers it.

use std::collections::BTreeMap;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderValue, Request, Response, header},
};
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};
use service_kit::{
    http::{BODY_LIMIT, is_plain_id},
    nats::Request as Message,
    problem::REQUEST_ID,
};
use wire::transient;

use super::operations::Operations;
use crate::{
    answer::{EVENT_POSITION, IDEMPOTENT_REPLAY},
    error::Error,
    problems::Code,
    stamp::IDEMPOTENCY_KEY,
};

/// The payload of a command: the credentials, path parameters and body that HTTP carries separately.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    token: Option<String>,
    idempotency_key: Option<String>,
    #[serde(default)]
    path: BTreeMap<String, String>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

/// Converts a message to its HTTP request.
pub(super) fn into_http(message: &Message, operations: &Operations) -> Result<Request<Body>, Error> {
    let operation = message.subject().and_then(transient::command_name).and_then(|name| operations.get(name));
    let operation = operation.ok_or(Code::UnknownCommand)?;
    if message.payload.len() > BODY_LIMIT {
        return Err(Code::BodyTooLarge.into());
    }
    let envelope: Envelope<'_> =
        serde_json::from_slice(&message.payload).map_err(|error| malformed(&error.to_string()))?;
    let path = operation.fill(&envelope.path).map_err(|name| malformed(&format!("`path` has no `{name}`")))?;
    let mut headers = HeaderMap::new();
    for name in [REQUEST_ID.as_str(), "traceparent"] {
        if let Some(value) = message.header(name).and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name.parse::<header::HeaderName>().map_err(|error| malformed(&error.to_string()))?, value);
        }
    }
    if let Some(token) = envelope.token {
        headers.insert(header::AUTHORIZATION, visible(&format!("Bearer {token}"), "token")?);
    }
    if let Some(key) = envelope.idempotency_key {
        headers.insert(IDEMPOTENCY_KEY, visible(&key, "idempotency_key")?);
    }
    let body = envelope.body.map_or("", RawValue::get).to_owned();
    if !body.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = operation.method.clone();
    *request.uri_mut() = path.parse().map_err(|_| malformed("`path` does not form a valid path"))?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Returns the client's request id, if HTTP would accept it as well.
pub(super) fn request_id(message: &Message) -> Option<String> {
    message.header(REQUEST_ID.as_str()).filter(|id| is_plain_id(id.as_bytes())).map(str::to_owned)
}

fn visible(text: &str, field: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text).map_err(|_| malformed(&format!("`{field}` contains invalid characters")))
}

fn malformed(detail: &str) -> Error {
    Error::detailed(Code::MalformedRequest, detail)
}

/// The answer to a request.
pub(super) struct Reply {
    pub(super) body: String,
    pub(super) request_id: Option<String>,
}

impl Reply {
    /// Converts a response to one JSON object.
    pub(super) async fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let content = to_bytes(body, usize::MAX).await.unwrap_or_default();
        let content: Value = serde_json::from_slice(&content).unwrap_or_default();
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut reply = Map::from_iter([("status".to_owned(), json!(parts.status.as_u16()))]);
        if parts.status.is_success() {
            reply.extend(content.as_object().cloned().unwrap_or_default());
            reply.extend(text(EVENT_POSITION.as_str()).map(|position| ("position".to_owned(), position.into())));
            if parts.headers.contains_key(IDEMPOTENT_REPLAY) {
                reply.insert("replayed".to_owned(), true.into());
            }
        } else {
            reply.insert("problem".to_owned(), content);
            let seconds = text(header::RETRY_AFTER.as_str()).and_then(|seconds| seconds.parse::<u32>().ok());
            reply.extend(seconds.map(|seconds| ("retry_after".to_owned(), seconds.into())));
        }
        Self { body: Value::Object(reply).to_string(), request_id: text(REQUEST_ID.as_str()) }
    }
}
