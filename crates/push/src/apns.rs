//! The Apple Push Notification service:
//! <https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns>.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use hyper::{Request, header, header::HeaderValue};
use serde::{Deserialize, Serialize};

use crate::{
    message::{Aps, PushMessage},
    outbound::{Client, Protocol, Reach, Response, Settings},
    outcome::{Failure, Receipt, SetupError, within},
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
}

/// Sends messages to the apps of one topic, over one HTTP/2 connection.
pub struct Apns {
    client: Client,
    /// The address, without a slash at its end.
    address: String,
    topic: HeaderValue,
    token: ProviderToken,
    timeout: Duration,
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
        SetupError::check_address(&address)?;
        let topic = HeaderValue::try_from(topic).ok().filter(|topic| !topic.is_empty());
        let topic = topic.ok_or_else(|| SetupError::Credentials("the topic is not a bundle id".to_owned()))?;
        let client = Client::new(Reach::Any, Protocol::Http2, settings)?;
        let token = ProviderToken::new(key, Instant::now())?;
        Ok(Self { client, address, topic, token, timeout: settings.timeout })
    }

    /// Sends a message once. If the provider token has expired, it makes a new one and repeats the request.
    pub async fn send(&self, message: &PushMessage, target: &DeviceToken) -> Result<Receipt, Failure> {
        within(self.timeout, self.attempt(message, target)).await
    }

    async fn attempt(&self, message: &PushMessage, target: &DeviceToken) -> Result<Receipt, Failure> {
        let token = self.token.get(Instant::now())?;
        let response = self.request(message, target, &token).await?;
        if reason_of(&response) == "ExpiredProviderToken"
            && let Some(renewed) = self.token.after_expiry(&token, Instant::now())?
        {
            return result(&self.request(message, target, &renewed).await?);
        }
        result(&response)
    }

    async fn request(
        &self,
        message: &PushMessage,
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
        if let Some(id) = message.apns_collapse_id() {
            request = request.header("apns-collapse-id", id);
        }
        let request = request.body(encode(message).into()).map_err(|error| Failure::rejected(error.to_string()))?;
        Ok(self.client.send(request).await?)
    }
}

impl fmt::Debug for Apns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Apns").field("address", &self.address).field("topic", &self.topic).finish_non_exhaustive()
    }
}

fn encode(message: &PushMessage) -> Vec<u8> {
    let data = message.data_with_id();
    let aps = message.aps(message.alert());
    // `aps` is Apple's, whatever the data contains.
    let data = data.iter().map(|(name, value)| (name.as_str(), value.as_str())).filter(|(name, _)| *name != "aps");
    // Maps with string keys, strings and numbers are always valid JSON.
    serde_json::to_vec(&Payload { aps, data: data.collect() }).unwrap_or_default()
}

fn reason_of(response: &Response) -> String {
    if response.status.is_success() {
        return String::new();
    }
    serde_json::from_slice::<Rejection>(&response.body).unwrap_or_default().reason
}

fn result(response: &Response) -> Result<Receipt, Failure> {
    if response.status.is_success() {
        let id = response.headers.get(APNS_ID).and_then(|id| id.to_str().ok());
        return Ok(Receipt { reference: id.map(str::to_owned) });
    }
    let reason = reason_of(response);
    Err(match (response.status.as_u16(), reason.as_str()) {
        (410, _) | (_, "BadDeviceToken" | "DeviceTokenNotForTopic" | "ExpiredToken" | "Unregistered") => Failure::Gone,
        // The topic is a setting of this installation.
        (400, "BadTopic" | "MissingTopic" | "TopicDisallowed") => Failure::unauthorized(reason),
        // The connection was unused for too long.
        (400, "IdleTimeout") => Failure::Unavailable { retry_after: None, detail: reason },
        _ => Failure::of(response, &reason),
    })
}
