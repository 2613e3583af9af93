//! The body of a request, with the fields for all platforms to which FCM delivers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    message::{Alert, Aps, MAX_PAYLOAD, PushMessage},
    outcome::Failure,
    target::RegistrationToken,
};

#[derive(Serialize)]
struct Request<'a> {
    message: Message<'a>,
}

#[derive(Serialize)]
struct Message<'a> {
    token: &'a str,
    data: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notification: Option<Alert>,
    android: Android,
    apns: Apns,
    webpush: WebPush,
}

#[derive(Serialize)]
struct Android {
    priority: &'static str,
    ttl: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    notification: Option<AndroidNotification>,
}

#[derive(Serialize)]
struct AndroidNotification {
    /// The key by which a shown notification is replaced. FCM keeps only four collapse keys for a device.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    notification_count: u32,
}

#[derive(Serialize)]
struct Apns {
    headers: BTreeMap<&'static str, String>,
    payload: ApnsPayload,
}

#[derive(Serialize)]
struct ApnsPayload {
    aps: Aps,
}

#[derive(Serialize)]
struct WebPush {
    headers: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notification: Option<WebPushNotification>,
}

/// The options of a browser's notification, to which FCM adds the texts.
#[derive(Serialize)]
struct WebPushNotification {
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
}

/// Returns the JSON of a message. Everything but the token counts for the limit. FCM counts less, but adds fields of
/// its own to what the devices get.
pub(super) fn encode(message: &PushMessage, target: &RegistrationToken) -> Result<Vec<u8>, Failure> {
    let limit = MAX_PAYLOAD + target.as_str().len();
    message.encode(limit, |alert| encode_with(message, target, alert))
}

fn encode_with(message: &PushMessage, target: &RegistrationToken, notification: Option<Alert>) -> Vec<u8> {
    let is_shown = message.is_shown();
    let tag = message.collapse_id();
    let android = Android {
        priority: if message.urgent { "HIGH" } else { "NORMAL" },
        ttl: format!("{}s", message.ttl_seconds()),
        notification: is_shown.then(|| AndroidNotification { tag: tag.clone(), notification_count: message.badge }),
    };
    // FCM adds the texts of the notification.
    let aps = message.aps(None);
    let web_push_notification = is_shown.then_some(WebPushNotification { tag });
    let message = Message {
        token: target.as_str(),
        data: message.data_with_id(),
        notification,
        android,
        apns: Apns { headers: apns_headers(message), payload: ApnsPayload { aps } },
        webpush: WebPush { headers: web_push_headers(message), notification: web_push_notification },
    };
    // Maps with string keys, strings and numbers are always valid JSON.
    serde_json::to_vec(&Request { message }).unwrap_or_default()
}

fn apns_headers(message: &PushMessage) -> BTreeMap<&'static str, String> {
    let mut headers = BTreeMap::from([
        ("apns-expiration", message.apns_expiration().to_string()),
        ("apns-priority", message.apns_priority().to_owned()),
    ]);
    headers.extend(message.collapse_id().map(|id| ("apns-collapse-id", id)));
    headers
}

fn web_push_headers(message: &PushMessage) -> BTreeMap<&'static str, String> {
    let mut headers =
        BTreeMap::from([("TTL", message.ttl_seconds().to_string()), ("Urgency", message.urgency().to_owned())]);
    headers.extend(message.topic().map(|topic| ("Topic", topic)));
    headers
}
