//! The body of a request, with the fields for all platforms to which FCM delivers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    message::{Alert, Aps, PushMessage},
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
    android: Android<'a>,
    apns: Apns,
    webpush: WebPush,
}

#[derive(Serialize)]
struct Android<'a> {
    priority: &'static str,
    ttl: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    collapse_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notification: Option<AndroidNotification<'a>>,
}

#[derive(Serialize)]
struct AndroidNotification<'a> {
    /// The key by which a shown notification is replaced. The collapse key concerns only what waits in FCM.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<&'a str>,
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
}

/// Returns the JSON of a message.
pub(super) fn encode(message: &PushMessage, target: &RegistrationToken) -> Vec<u8> {
    let collapse_key = message.collapse_key.as_deref();
    let notification = message.alert();
    let count = AndroidNotification { tag: collapse_key, notification_count: message.badge };
    let android = Android {
        priority: if message.urgent { "HIGH" } else { "NORMAL" },
        ttl: format!("{}s", message.ttl_seconds()),
        collapse_key,
        notification: notification.is_some().then_some(count),
    };
    // FCM adds the texts of the notification.
    let aps = message.aps(None);
    let message = Message {
        token: target.as_str(),
        data: message.data_with_id(),
        notification,
        android,
        apns: Apns { headers: apns_headers(message), payload: ApnsPayload { aps } },
        webpush: WebPush { headers: web_push_headers(message) },
    };
    // Maps with string keys, strings and numbers are always valid JSON.
    serde_json::to_vec(&Request { message }).unwrap_or_default()
}

fn apns_headers(message: &PushMessage) -> BTreeMap<&'static str, String> {
    let mut headers = BTreeMap::from([
        ("apns-expiration", message.apns_expiration().to_string()),
        ("apns-priority", message.apns_priority().to_owned()),
    ]);
    headers.extend(message.apns_collapse_id().map(|id| ("apns-collapse-id", id)));
    headers
}

fn web_push_headers(message: &PushMessage) -> BTreeMap<&'static str, String> {
    let mut headers =
        BTreeMap::from([("TTL", message.ttl_seconds().to_string()), ("Urgency", message.urgency().to_owned())]);
    headers.extend(message.topic().map(|topic| ("Topic", topic)));
    headers
}
