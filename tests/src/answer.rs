//! What a service answered, and what a client may rely on in it.

use bytes::Bytes;
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HeaderMap},
};
use serde_json::Value;

/// An answer that has arrived completely.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Method and path of the request.
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

    /// A creation succeeded; returns the new thing's id.
    #[track_caller]
    pub fn created(&self) -> String {
        assert_eq!(self.status, StatusCode::CREATED, "{self}");
        let body = self.json();
        assert_eq!(body.as_object().map(serde_json::Map::len), Some(1), "{self} says more than an id");
        self.position();
        body["id"].as_str().unwrap_or_else(|| panic!("{self} has no id")).to_owned()
    }

    /// A command succeeded that creates nothing.
    #[track_caller]
    pub fn done(&self) {
        assert_eq!(self.status, StatusCode::NO_CONTENT, "{self}");
        assert!(self.body.is_empty(), "{self} says something");
        self.position();
    }

    /// A read succeeded; returns what it found.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{self}");
        self.json()
    }

    /// The items of a list.
    #[track_caller]
    pub fn items(&self) -> Vec<Value> {
        self.ok()["items"].as_array().unwrap_or_else(|| panic!("{self} is no list")).clone()
    }

    /// The request was refused with this status and code, in the form that every refusal has.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), self.problem_code().as_str()), (status, code), "{self}");
    }

    /// The code of a problem, whose form is checked.
    #[track_caller]
    pub fn problem_code(&self) -> String {
        assert_eq!(self.header(CONTENT_TYPE.as_str()), Some("application/problem+json"), "{self}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16(), "{self}");
        for member in ["type", "title", "detail", "code", "request_id"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{self} lacks {member}");
        }
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"), "{self}");
        problem["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Where in the log the command's event is; every command that succeeded says so.
    #[track_caller]
    pub fn position(&self) -> String {
        self.header("event-position").unwrap_or_else(|| panic!("{self} has no Event-Position")).to_owned()
    }

    /// Whether this is the answer to an earlier request with the same key.
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
