//! The message that all services get.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use sha2::{Digest, Sha256};
use unicode_segmentation::UnicodeSegmentation;
use uuid::Uuid;

/// The longest title that is sent, in bytes. Devices show less.
const MAX_TITLE: usize = 200;

/// The longest body that is sent, in bytes. Devices show less, and the services allow 4096 bytes with everything else.
const MAX_BODY: usize = 1000;

/// The longest time for which a service keeps a message: four weeks, the limit of FCM.
const MAX_TTL: Duration = Duration::from_hours(28 * 24);

/// The field of the data with the id of the message.
pub(crate) const PUSH_ID: &str = "push_id";

/// A message to one device. Without a title and a body it is not shown: it wakes the app and sets the badge.
#[derive(Clone, PartialEq, Eq)]
pub struct PushMessage {
    /// The id, the same in every attempt. Apps get it as `push_id` and can drop a repeat. It is the `apns-id`.
    pub id: Uuid,
    /// The key of messages of which a device shows and a service keeps only the last one.
    pub collapse_key: Option<String>,
    /// The title. A long one is shortened.
    pub title: Option<String>,
    /// The text. A long one is shortened.
    pub body: Option<String>,
    /// The fields for the app. FCM reserves `from`, `message_type` and names that begin with `google` or `gcm`.
    pub data: BTreeMap<String, String>,
    /// The number on the app's icon.
    pub badge: u32,
    /// True if the message is to wake a sleeping device at once, with a sound.
    pub urgent: bool,
    /// The time for which a service keeps the message for a device that is off, at most four weeks.
    pub ttl: Duration,
}

impl fmt::Debug for PushMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, urgent, ttl, .. } = self;
        let mut debug = f.debug_struct("PushMessage");
        debug.field("id", id).field("urgent", urgent).field("ttl", ttl).finish_non_exhaustive()
    }
}

impl PushMessage {
    /// Returns the texts as they are sent. None if the message is not shown.
    pub(crate) fn alert(&self) -> Option<Alert> {
        let shortened = |text: &Option<String>, max| text.as_deref().map(|text| shorten(text, max));
        let alert = Alert { title: shortened(&self.title, MAX_TITLE), body: shortened(&self.body, MAX_BODY) };
        self.is_shown().then_some(alert)
    }

    /// Returns true if the device shows the message.
    fn is_shown(&self) -> bool {
        self.title.is_some() || self.body.is_some()
    }

    /// Returns the fields for the app, with the id.
    pub(crate) fn data_with_id(&self) -> BTreeMap<String, String> {
        let mut data = self.data.clone();
        data.insert(PUSH_ID.to_owned(), self.id.to_string());
        data
    }

    /// Returns the lifetime in seconds.
    pub(crate) fn ttl_seconds(&self) -> u64 {
        self.ttl.min(MAX_TTL).as_secs()
    }

    /// Returns the payload of APNs with these texts. A message that is not shown wakes the app.
    pub(crate) fn aps(&self, alert: Option<Alert>) -> Aps {
        let is_shown = self.is_shown();
        Aps {
            alert,
            badge: self.badge,
            sound: (is_shown && self.urgent).then_some("default"),
            content_available: (!is_shown).then_some(1),
        }
    }

    /// Returns the priority for APNs, which allows 10 (at once) only if something is shown.
    pub(crate) fn apns_priority(&self) -> &'static str {
        if self.urgent && self.is_shown() { "10" } else { "5" }
    }

    /// Returns the time until which APNs keeps the message, in seconds since 1970. 0 means: one attempt.
    pub(crate) fn apns_expiration(&self) -> u64 {
        let ttl = self.ttl_seconds();
        if ttl == 0 { 0 } else { seconds_since_1970() + ttl }
    }

    /// Returns the collapse key for APNs.
    pub(crate) fn apns_collapse_id(&self) -> Option<String> {
        self.collapse_header(64, |byte| byte.is_ascii_graphic())
    }

    /// Returns the collapse key for Web Push.
    pub(crate) fn topic(&self) -> Option<String> {
        self.collapse_header(32, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    }

    /// Returns the urgency for Web Push.
    pub(crate) fn urgency(&self) -> &'static str {
        if self.urgent { "high" } else { "normal" }
    }

    /// Returns the collapse key for a header: the key itself if it has at most `max` bytes, all of them allowed, or a
    /// hash of it.
    fn collapse_header(&self, max: usize, allowed: fn(u8) -> bool) -> Option<String> {
        let key = self.collapse_key.as_deref()?;
        if (1..=max).contains(&key.len()) && key.bytes().all(allowed) {
            return Some(key.to_owned());
        }
        // 24 bytes make 32 characters, the limit of Web Push.
        let hash = Sha256::digest(key.as_bytes());
        Some(BASE64_URL_SAFE_NO_PAD.encode(&hash[..24]))
    }
}

/// The part of a payload that APNs reads.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Aps {
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<Alert>,
    badge: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    sound: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_available: Option<u8>,
}

/// The texts that a device shows.
#[derive(Serialize)]
pub(crate) struct Alert {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

/// Returns the time of this machine's clock, as tokens and headers contain it.
pub(crate) fn seconds_since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Returns a text of at most `max` bytes: a longer one ends with an ellipsis after a whole character.
fn shorten(text: &str, max: usize) -> String {
    const ELLIPSIS: &str = "…";
    if text.len() <= max {
        return text.to_owned();
    }
    let ends = text.grapheme_indices(true).map(|(start, _)| start);
    let end = ends.take_while(|end| end + ELLIPSIS.len() <= max).last().unwrap_or_default();
    format!("{}{ELLIPSIS}", text[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_after_a_whole_character() {
        assert_eq!(shorten("short", 5), "short");
        assert_eq!(shorten("too long", 7), "too…");
        let family = "👨\u{200D}👩\u{200D}👧";
        assert_eq!(shorten(&format!("a{family}{family}"), family.len() + 4), format!("a{family}…"));
        assert_eq!(shorten(&family.repeat(2), 10), "…");
        assert!(shorten(&"ü".repeat(5000), MAX_BODY).len() <= MAX_BODY);
    }
}
