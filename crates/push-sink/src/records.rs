//! The requests that the sink has received.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The maximum number of requests that are kept. The oldest ones are dropped.
const MAX_RECORDS: usize = 10_000;

/// A service that the sink stands in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// The endpoint that issues access tokens for FCM.
    Token,
    /// FCM.
    Fcm,
    /// APNs.
    Apns,
    /// Web Push.
    WebPush,
}

impl Service {
    /// Returns the name, as in the paths of the control interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Fcm => "fcm",
            Self::Apns => "apns",
            Self::WebPush => "web-push",
        }
    }
}

/// A received request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Received {
    /// The number of the request, from 1 on.
    pub sequence: u64,
    /// The time in milliseconds since 1970.
    pub at_ms: u64,
    /// The service.
    pub service: Service,
    /// The token or the subscription that the message is for.
    pub target: String,
    /// The status of the response; none if the connection was closed.
    pub status: Option<u16>,
    /// The reason of a rejection.
    pub reason: Option<String>,
    /// The headers, except `authorization`.
    pub headers: BTreeMap<String, String>,
    /// The body, decrypted if it was encrypted. Null if it is not JSON.
    pub body: Value,
}

impl Received {
    /// The title and the body that a device would show.
    pub fn text(&self) -> (Option<&str>, Option<&str>) {
        let alert = match self.service {
            Service::Token => &Value::Null,
            Service::Fcm => &self.body["message"]["notification"],
            Service::Apns => &self.body["aps"]["alert"],
            Service::WebPush => &self.body,
        };
        (alert["title"].as_str(), alert["body"].as_str())
    }
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status.map_or_else(|| "closed".to_owned(), |status| status.to_string());
        write!(f, "{} {} {status}", self.sequence, self.service.as_str())?;
        if let Some(reason) = &self.reason {
            write!(f, " {reason}")?;
        }
        write!(f, " to {:.24}", self.target)?;
        let (title, body) = self.text();
        for text in [title, body].into_iter().flatten() {
            write!(f, " {text:?}")?;
        }
        let data = match self.service {
            Service::Token => return Ok(()),
            Service::Fcm => &self.body["message"]["data"],
            Service::Apns => &self.body,
            Service::WebPush => &self.body["data"],
        };
        write!(f, " {data}")
    }
}

/// The last received requests.
#[derive(Default)]
pub(crate) struct Records(Mutex<Recorded>);

#[derive(Default)]
struct Recorded {
    last: u64,
    kept: VecDeque<Received>,
}

impl Records {
    /// Adds a request and returns it with its number.
    pub(crate) fn add(&self, mut received: Received) -> Received {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records.last += 1;
        received.sequence = records.last;
        if records.kept.len() == MAX_RECORDS {
            records.kept.pop_front();
        }
        records.kept.push_back(received.clone());
        received
    }

    /// Returns the requests after a number.
    pub(crate) fn after(&self, sequence: u64) -> Vec<Received> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records.kept.iter().filter(|received| received.sequence > sequence).cloned().collect()
    }
}
