//! An answer of a service, and the checks that clients may rely on.

use bytes::Bytes;
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HeaderMap},
};
use serde_json::Value;

/// A completely received answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The method and the path of the request.
    pub asked: String,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// Reads a response to its end.
    pub async fn read(asked: String, response: Response) -> Result<Self, reqwest::Error> {
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Self { asked, status, headers, body: response.bytes().await? })
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{self} is not JSON: {error}"))
    }

    /// The code of a problem. None of any other answer.
    pub fn code(&self) -> Option<String> {
        let problem: Value = serde_json::from_slice(&self.body).ok()?;
        problem["code"].as_str().map(str::to_owned)
    }

    /// Checks that a creation succeeded. Returns the new id.
    #[track_caller]
    pub fn created(&self) -> String {
        assert_eq!(self.status, StatusCode::CREATED, "{self}");
        let body = self.json();
        assert_eq!(body.as_object().map(serde_json::Map::len), Some(1), "{self} has more members than an id");
        self.position();
        body["id"].as_str().unwrap_or_else(|| panic!("{self} has no id")).to_owned()
    }

    /// Checks that a command succeeded that creates nothing.
    #[track_caller]
    pub fn done(&self) {
        assert_eq!(self.status, StatusCode::NO_CONTENT, "{self}");
        assert!(self.body.is_empty(), "{self} has a body");
        self.position();
    }

    /// Checks that a read succeeded. Returns the body.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{self}");
        self.json()
    }

    /// Checks that a read succeeded. Returns the items of the list.
    #[track_caller]
    pub fn items(&self) -> Vec<Value> {
        self.ok()["items"].as_array().unwrap_or_else(|| panic!("{self} is not a list")).clone()
    }

    /// Checks that the request was refused with this status and code, in the form that every refusal has.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), self.problem_code().as_str()), (status, code), "{self}");
    }

    /// Returns the code of a problem, and checks the problem's form.
    #[track_caller]
    pub fn problem_code(&self) -> String {
        assert_eq!(self.header(CONTENT_TYPE.as_str()), Some("application/problem+json"), "{self}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16(), "{self}");
        for member in ["type", "title", "detail", "code", "request_id"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{self} lacks {member}");
        }
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"), "{self}");
        let has_fields = problem["errors"].as_array().is_some_and(|errors| !errors.is_empty());
        assert_eq!(has_fields, problem["code"] == "invalid-body", "{self} must name the fields of the body only");
        problem["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The position of the command's event in the log. Every successful command returns it.
    #[track_caller]
    pub fn position(&self) -> String {
        self.header("event-position").unwrap_or_else(|| panic!("{self} has no Event-Position")).to_owned()
    }

    /// True if this is the answer to an earlier request with the same key.
    pub fn is_replay(&self) -> bool {
        self.header("idempotent-replay") == Some("true")
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text: String = self.text().chars().take(600).collect();
        write!(formatter, "{} -> {} {text}", self.asked, self.status)
    }
}
