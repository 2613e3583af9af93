//! The Apple Push Notification service:
//! <https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns>.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant, UNIX_EPOCH},
};

use hyper::{Request, header, header::HeaderValue};
use serde::{Deserialize, Serialize};
use tokio::time;
use uuid::Uuid;

use crate::{
    message::{Alert, Aps, MAX_PAYLOAD, PushMessage},
    outbound::{Client, Protocol, Reach, Response, Settings},
    outcome::{Failure, Receipt, Scope, SetupError},
    target::DeviceToken,
};

pub use key::ApnsKey;

use provider_token::ProviderToken;

mod key;
mod provider_token;

/// The header with the id of a message.
const APNS_ID: &str = "apns-id";

/// The payload of a message: the fields for the app beside those that APNs reads.
#[derive(Serialize)]
struct Payload<'a> {
    aps: Aps,
    #[serde(flatten)]
    data: BTreeMap<&'a str, &'a str>,
}

#[derive(Deserialize, Default)]
struct Rejection {
    #[serde(default)]
    reason: String,
    /// The time at which APNs knew that the token is not valid any more, in milliseconds since 1970.
    timestamp: Option<u64>,
}

/// Sends messages to the apps of one topic, over one HTTP/2 connection.
pub struct Apns {
    client: Client,
    /// The address, without a slash at its end.
    address: String,
    topic: HeaderValue,
    token: ProviderToken,
}

impl Apns {
    /// The address of the service for released apps.
    pub const ADDRESS: &str = "https://api.push.apple.com";

    /// The address of the service for apps in development.
    pub const SANDBOX_ADDRESS: &str = "https://api.sandbox.push.apple.com";

    /// Returns a provider for an app (`topic`, its bundle id), that sends to the service at the address. Nothing is
    /// sent yet.
    pub fn new(key: ApnsKey, topic: &str, address: &str, settings: &Settings) -> Result<Self, SetupError> {
        let address = address.trim_end_matches('/').to_owned();
        SetupError::parse_address(&address)?;
        let topic = HeaderValue::try_from(topic).ok().filter(|topic| !topic.is_empty());
        let topic = topic.ok_or_else(|| SetupError::Credentials("the topic is not a bundle id".to_owned()))?;
        let client = Client::new(Reach::Any, Protocol::Http2, settings)?;
        let token = ProviderToken::new(key, Instant::now())?;
        Ok(Self { client, address, topic, token })
    }

    /// Sends a message once. If the provider token has expired, it makes a new one and repeats the request.
    pub async fn send(&self, message: &PushMessage, target: &DeviceToken) -> Result<Receipt, Failure> {
        let deadline = self.client.deadline();
        let body = encode(message)?;
        let token = self.token.get(Instant::now())?;
        let response = self.request(deadline, message, body.clone(), target, &token).await?;
        if Rejection::of(&response).reason == "ExpiredProviderToken"
            && let Some(renewed) = self.token.after_expiry(&token, Instant::now())?
        {
            return result(&self.request(deadline, message, body, target, &renewed).await?);
        }
        result(&response)
    }

    async fn request(
        &self,
        deadline: time::Instant,
        message: &PushMessage,
        body: Vec<u8>,
        target: &DeviceToken,
        token: &HeaderValue,
    ) -> Result<Response, Failure> {
        let mut request = Request::post(format!("{}/3/device/{}", self.address, target.as_str()))
            .header(header::AUTHORIZATION, token)
            .header(header::CONTENT_TYPE, "application/json")
            .header("apns-topic", &self.topic)
            // A message that is not shown still sets the badge, which the type `background` does not allow.
            .header("apns-push-type", "alert")
            .header(APNS_ID, message.id.to_string())
            .header("apns-expiration", message.apns_expiration())
            .header("apns-priority", message.apns_priority());
        if let Some(id) = message.collapse_id() {
            request = request.header("apns-collapse-id", id);
        }
        let request = request.body(body.into()).map_err(|error| Failure::rejected(error.to_string()))?;
        let response = self.client.send_before(deadline, request).await;
        response.map_err(|error| Failure::from_request(error, Scope::Service))
    }
}

impl fmt::Debug for Apns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Apns").field("address", &self.address).field("topic", &self.topic).finish_non_exhaustive()
    }
}

fn encode(message: &PushMessage) -> Result<Vec<u8>, Failure> {
    let data = message.data_with_id();
    // `aps` is Apple's, whatever the data contains.
    let data = data.iter().map(|(name, value)| (name.as_str(), value.as_str())).filter(|(name, _)| *name != "aps");
    let data: BTreeMap<_, _> = data.collect();
    message.encode(MAX_PAYLOAD, |alert: Option<Alert>| {
        // Maps with string keys, strings and numbers are always valid JSON.
        serde_json::to_vec(&Payload { aps: message.aps(alert), data: data.clone() }).unwrap_or_default()
    })
}

impl Rejection {
    fn of(response: &Response) -> Self {
        if response.status.is_success() {
            return Self::default();
        }
        serde_json::from_slice(&response.body).unwrap_or_default()
    }

    /// Returns the failure of a message. Only a token that APNs calls unregistered or expired is gone: with the wrong
    /// topic, or the address of the sandbox, all tokens get the other errors.
    fn into_failure(self, response: &Response) -> Failure {
        match (response.status.as_u16(), self.reason.as_str()) {
            (410, "Unregistered" | "ExpiredToken") => {
                let since = self.timestamp.and_then(|at| UNIX_EPOCH.checked_add(Duration::from_millis(at)));
                Failure::Gone { since }
            }
            // The topic is a setting of this installation.
            (400, "BadTopic" | "MissingTopic" | "TopicDisallowed") => Failure::unauthorized(self.reason),
            // The connection was unused for too long.
            (400, "IdleTimeout") => {
                Failure::Unavailable { retry_after: None, scope: Scope::Service, detail: self.reason }
            }
            // APNs means too many requests for one device.
            (429, "TooManyRequests") => Failure::from_response(response, &self.reason, Scope::Target),
            _ => Failure::from_response(response, &self.reason, Scope::Service),
        }
    }
}

fn result(response: &Response) -> Result<Receipt, Failure> {
    if response.status.is_success() {
        let id = response.headers.get(APNS_ID).and_then(|id| Uuid::try_parse_ascii(id.as_bytes()).ok());
        return Ok(Receipt { reference: id.map(|id| id.to_string()) });
    }
    Err(Rejection::of(response).into_failure(response))
}
