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

use crate::outcome::Failure;

/// The longest title that is sent, in bytes of JSON. Devices show less.
const MAX_TITLE: usize = 200;

/// The longest body that is sent, in bytes of JSON. Devices show less.
const MAX_BODY: usize = 1000;

/// The maximum size of a payload for FCM and APNs.
pub(crate) const MAX_PAYLOAD: usize = 4096;

/// The longest time for which a service keeps a message: four weeks, the limit of FCM.
const MAX_TTL: Duration = Duration::from_hours(28 * 24);

/// The field of the data with the id of the message.
pub(crate) const PUSH_ID: &str = "push_id";

/// A message to one device. Without a title and a body it is not shown: it wakes the app and sets the badge.
#[derive(Clone, PartialEq, Eq)]
pub struct PushMessage {
    /// The id, the same in every attempt. Apps get it as `push_id` and can drop a repeat. It is the `apns-id`.
    pub id: Uuid,
    /// The key of messages of which a device shows only the last one. Without a key, a message that is shown replaces
    /// only its own repeats.
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
    /// Encodes the message with texts that are short enough for a payload of at most `limit` bytes. The body is cut
    /// before the title.
    pub(crate) fn encode(&self, limit: usize, encode: impl Fn(Option<Alert>) -> Vec<u8>) -> Result<Vec<u8>, Failure> {
        let alert = self.alert(MAX_TITLE, MAX_BODY);
        let size = |text: Option<&String>| text.map_or(0, |text| json_size(text));
        let title = size(alert.as_ref().and_then(|alert| alert.title.as_ref()));
        let body = size(alert.as_ref().and_then(|alert| alert.body.as_ref()));
        let mut payload = encode(alert);
        let excess = payload.len().saturating_sub(limit);
        if excess > 0 {
            let max_title = title.saturating_sub(excess.saturating_sub(body));
            payload = encode(self.alert(max_title, body.saturating_sub(excess)));
        }
        if payload.len() > limit {
            return Err(Failure::rejected("the message is too large without its texts"));
        }
        Ok(payload)
    }

    /// Returns the texts with at most these sizes. None if the message is not shown.
    fn alert(&self, max_title: usize, max_body: usize) -> Option<Alert> {
        let shortened = |text: &Option<String>, max| text.as_deref().map(|text| shorten(text, max));
        let alert = Alert { title: shortened(&self.title, max_title), body: shortened(&self.body, max_body) };
        self.is_shown().then_some(alert)
    }

    /// Returns true if the device shows the message.
    pub(crate) fn is_shown(&self) -> bool {
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

    /// Returns the key by which a device replaces what it shows, at most 64 bytes: the limit of APNs.
    pub(crate) fn collapse_id(&self) -> Option<String> {
        self.collapse_header(64, |byte| byte.is_ascii_graphic())
    }

    /// Returns the key by which a Web Push service replaces a message that waits.
    pub(crate) fn topic(&self) -> Option<String> {
        self.collapse_header(32, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    }

    /// Returns the urgency for Web Push.
    pub(crate) fn urgency(&self) -> &'static str {
        if self.urgent { "high" } else { "normal" }
    }

    /// Returns the collapse key for a header: the key itself if it has at most `max` bytes, all of them allowed, or a
    /// hash of it. A message that is shown has its id instead of an absent key.
    fn collapse_header(&self, max: usize, allowed: fn(u8) -> bool) -> Option<String> {
        let own = || self.is_shown().then(|| self.id.to_string());
        let key = self.collapse_key.clone().or_else(own)?;
        if (1..=max).contains(&key.len()) && key.bytes().all(allowed) {
            return Some(key);
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

/// Returns the number of bytes of a text in JSON, without the quotes.
fn json_size(text: &str) -> usize {
    let size = |byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0C => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(size).sum()
}

/// Returns a text of at most `max` bytes in JSON: a longer one ends with an ellipsis after a whole character.
fn shorten(text: &str, max: usize) -> String {
    const ELLIPSIS: &str = "…";
    if json_size(text) <= max {
        return text.to_owned();
    }
    let Some(mut rest) = max.checked_sub(ELLIPSIS.len()) else { return String::new() };
    let mut end = 0;
    for character in text.graphemes(true) {
        let Some(left) = rest.checked_sub(json_size(character)) else { break };
        rest = left;
        end += character.len();
    }
    format!("{}{ELLIPSIS}", text[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILY: &str = "👨\u{200D}👩\u{200D}👧";

    #[test]
    fn a_long_text_is_cut_after_a_whole_character() {
        assert_eq!(shorten("short", 5), "short");
        assert_eq!(shorten("too long", 7), "too…");
        assert_eq!(shorten(&format!("a{FAMILY}{FAMILY}"), FAMILY.len() + 4), format!("a{FAMILY}…"));
        assert_eq!(shorten(&FAMILY.repeat(2), 10), "…");
        assert_eq!(shorten("long", 2), "");
        assert!(shorten(&"ü".repeat(5000), MAX_BODY).len() <= MAX_BODY);
    }

    #[test]
    fn texts_are_measured_in_json() {
        for character in (0..=0x2000).filter_map(char::from_u32).chain("🌶\u{2028}\u{FFFF}".chars()) {
            let text = character.to_string();
            assert_eq!(json_size(&text), serde_json::to_string(&text).unwrap().len() - 2, "{text:?}");
        }
        assert_eq!(shorten(&"\u{1}".repeat(10), 16), "\u{1}\u{1}…");
    }

    #[test]
    fn texts_are_cut_until_the_payload_is_small_enough() {
        for character in ["x", "ü", "\u{1}", "\"", "\nx", FAMILY, "🌶"] {
            let text = character.repeat(1100);
            let message = PushMessage {
                id: Uuid::nil(),
                collapse_key: None,
                title: Some(text.clone()),
                body: Some(text),
                data: BTreeMap::new(),
                badge: 0,
                urgent: false,
                ttl: Duration::ZERO,
            };
            let encode = |alert: Option<Alert>| serde_json::to_vec(&alert).unwrap();
            let smallest = r#"{"title":"","body":""}"#.len();
            // At most a character and the place of an ellipsis remain of each text.
            let unused = 2 * (json_size(character) + 3);
            for limit in (smallest..smallest + MAX_TITLE + MAX_BODY).step_by(7) {
                let size = message.encode(limit, encode).unwrap().len();
                assert!(size <= limit && size + unused >= limit, "{character:?}: {size} of {limit}");
            }
            assert!(message.encode(smallest - 1, encode).is_err());
        }
    }
}
