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
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::{http::rest::BodyTimeout, problem::Problem};

/// A JSON body.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

/// The parameters in the path. A path that cannot be parsed is not found.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

/// The parameters in the query.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), state).await;
        let bytes = bytes.map_err(|rejection| body_error(&rejection))?;
        match axum::Json::from_request(Request::from_parts(parts, Body::from(bytes.clone())), state).await {
            Ok(axum::Json(body)) => Ok(Self(body)),
            // The parser also reports a syntax error for a value of a wrong type in place of a variant's name, for
            // example `null`.
            Err(JsonRejection::JsonSyntaxError(error)) if is_json(&bytes) => {
                Err(invalid_body().detail(error.body_text()))
            }
            Err(rejection) => Err(body_problem(&rejection)),
        }
    }
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

fn invalid_body() -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-body", "Invalid request body")
}

fn body_problem(rejection: &JsonRejection) -> Problem {
    let problem = match rejection {
        JsonRejection::JsonDataError(_) => invalid_body(),
        JsonRejection::MissingJsonContentType(_) => {
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The request body must be JSON")
        }
        _ => malformed(),
    };
    problem.detail(rejection.body_text())
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
    Problem::new(StatusCode::BAD_REQUEST, "invalid-query", "A query parameter is not valid")
        .detail(rejection.body_text())
}
