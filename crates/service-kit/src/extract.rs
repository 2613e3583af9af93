//! axum's extractors with problems as rejections.

use std::error::Error;

use axum::{
    body::{Body, Bytes},
    extract::{
        FromRequest, FromRequestParts, Request,
        rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection},
    },
    http::{StatusCode, request::Parts},
};
use eserde::EDeserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::{field_error::FieldError, http::rest::BodyTimeout, problem::Problem};

/// A JSON body.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

/// The parameters in the path. A path that cannot be parsed is not found.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

/// The parameters in the query.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T, S> FromRequest<S> for Json<T>
where
    T: for<'de> EDeserialize<'de>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let (parts, bytes) = read(request).await?;
        require_json(parts, &bytes).await?;
        parse(&bytes).map(Self)
    }
}

/// Reads a body that may be absent. Any other one must be JSON.
pub async fn optional_json(request: Request) -> Result<Option<Bytes>, Problem> {
    let (parts, bytes) = read(request).await?;
    if bytes.is_empty() {
        return Ok(None);
    }
    require_json(parts, &bytes).await?;
    Ok(Some(bytes))
}

async fn read(request: Request) -> Result<(Parts, Bytes), Problem> {
    let (parts, body) = request.into_parts();
    let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), &()).await;
    bytes.map(|bytes| (parts, bytes)).map_err(|rejection| body_error(&rejection))
}

/// Rejects a body that is not JSON, or that its headers do not call JSON.
async fn require_json(parts: Parts, bytes: &Bytes) -> Result<(), Problem> {
    match axum::Json::<IgnoredAny>::from_request(Request::from_parts(parts, Body::from(bytes.clone())), &()).await {
        Ok(_) => Ok(()),
        Err(rejection @ JsonRejection::MissingJsonContentType(_)) => {
            let (code, title) = ("unsupported-media-type", "The request body must be JSON");
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, title).detail(rejection.body_text()))
        }
        Err(rejection) => Err(malformed().detail(rejection.body_text())),
    }
}

/// Parses a body that is known to be JSON.
fn parse<T: for<'de> EDeserialize<'de>>(body: &[u8]) -> Result<T, Problem> {
    // The parser would take an array for the fields in their order.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(invalid_body(vec![FieldError::no_object()]));
    }
    eserde::json::from_slice(body).map_err(|errors| invalid_body(FieldError::all::<T>(body, &errors)))
}

/// Returns the problem of a body in which a field breaks a rule that concerns several fields. The pointer is a JSON
/// pointer.
pub fn invalid_field(pointer: &str, rule: impl Into<String>) -> Problem {
    invalid_body(vec![FieldError { pointer: pointer.to_owned(), detail: rule.into() }])
}

fn invalid_body(errors: Vec<FieldError>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-body", "Invalid request body").errors(errors)
}

fn malformed() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed-json", "The request body is not valid JSON")
}

/// Returns the problem of a body that could not be read.
pub fn body_error(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The request body is too large");
    }
    let mut cause = rejection.source();
    while let Some(error) = cause {
        if let Some(timeout) = error.downcast_ref::<BodyTimeout>() {
            return Problem::new(StatusCode::REQUEST_TIMEOUT, "body-too-slow", "The request body took too long")
                .detail(timeout.to_string());
        }
        cause = error.source();
    }
    malformed().detail(rejection.body_text())
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(path)) => Ok(Self(path)),
            Err(rejection) => Err(path_problem(&rejection)),
        }
    }
}

fn path_problem(rejection: &PathRejection) -> Problem {
    not_found().detail(rejection.body_text())
}

/// The problem of a path without a resource.
pub fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-found", "Not found")
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(query_problem(&rejection)),
        }
    }
}

fn query_problem(rejection: &QueryRejection) -> Problem {
    // The text names the parameter before the error.
    let text = rejection.body_text();
    let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
    Problem::new(StatusCode::BAD_REQUEST, "invalid-query", "A query parameter is not valid").detail(text)
}
