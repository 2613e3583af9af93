//! Problems for clients (RFC 9457) with stable codes.

use axum::{
    Json,
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::field_error::FieldError;

/// The header with the id of a request, in responses and logs.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A problem (`application/problem+json`).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// The description of the code, as a path of the service.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "/docs/problems#box-in-use")]
    kind: ProblemType,
    /// The meaning of the code.
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 409)]
    status: u16,
    /// The error of this request.
    detail: Box<str>,
    /// The stable code for programs.
    #[schema(example = "box-in-use")]
    code: &'static str,
    /// The errors of single fields of the body, at most 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
    /// The id of the request in the logs.
    request_id: Box<str>,
    /// The seconds after which a retry makes sense.
    #[serde(skip)]
    retry_after: Option<u32>,
}

/// The path of a code's description.
#[derive(Debug, Clone, Copy)]
struct ProblemType(&'static str);

impl Serialize for ProblemType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("/docs/problems#{}", self.0))
    }
}

impl Problem {
    /// Creates a problem of this status, with a stable code and its meaning as the title.
    pub fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        Self {
            kind: ProblemType(code),
            title,
            status: status.as_u16(),
            detail: title.into(),
            code,
            errors: Vec::new(),
            request_id: "".into(),
            retry_after: None,
        }
    }

    /// Sets the error of this request.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into().into_boxed_str();
        self
    }

    /// Sets the errors of single fields. The detail shows the first one.
    #[must_use]
    pub(crate) fn errors(mut self, errors: Vec<FieldError>) -> Self {
        if let Some(FieldError { pointer, detail }) = errors.first() {
            let field = if pointer.is_empty() { "the body" } else { pointer };
            self.detail = match errors.len() {
                1 => format!("{field} {detail}"),
                count => format!("{field} {detail}, and {} more", count - 1),
            }
            .into_boxed_str();
        }
        self.errors = errors;
        self
    }

    /// Sets the seconds after which a retry makes sense.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Sets the id of the request in the logs. Over HTTP, the server sets it.
    #[must_use]
    pub fn of_request(mut self, id: impl Into<String>) -> Self {
        self.request_id = id.into().into_boxed_str();
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The error of this request.
    pub fn detail_text(&self) -> &str {
        &self.detail
    }

    /// An internal error. Its cause belongs in the log only.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED.as_u16() {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Sets the request's id in the problem, if the response is one.
pub(crate) fn set_request_id(response: &mut Response, id: &str) {
    if let Some(mut problem) = response.extensions_mut().remove::<Problem>() {
        problem.request_id = id.into();
        if let Ok(body) = serde_json::to_vec(&problem) {
            response.headers_mut().remove(header::CONTENT_LENGTH);
            *response.body_mut() = Body::from(body);
        }
    }
}
