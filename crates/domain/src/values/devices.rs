//! The addresses of devices at push providers, and the languages of push messages.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{InvalidValue, PushToken};

/// A push provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum PushProvider {
    /// Firebase Cloud Messaging.
    #[default]
    Fcm,
    /// The Apple Push Notification service.
    Apns,
    /// Web Push, of the vendor of a browser.
    WebPush,
}

impl PushProvider {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fcm => "fcm",
            Self::Apns => "apns",
            Self::WebPush => "web_push",
        }
    }
}

/// The address of a device at its push provider. It is never shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushTarget {
    /// A registration token of FCM.
    Fcm(PushToken),
    /// A device token of APNs.
    Apns(ApnsToken),
    /// A subscription of a browser.
    WebPush(PushSubscription),
}

impl PushTarget {
    /// The provider that delivers to the target.
    pub fn provider(&self) -> PushProvider {
        match self {
            Self::Fcm(_) => PushProvider::Fcm,
            Self::Apns(_) => PushProvider::Apns,
            Self::WebPush(_) => PushProvider::WebPush,
        }
    }
}

/// A hash of the stored address of a device, to recognize it: the first 16 bytes of SHA-256, in hexadecimal digits.
/// Stored; never change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TargetHash(String);

impl TargetHash {
    /// Returns the hash of an address.
    pub fn of(target: &str) -> Self {
        let hash: [u8; 32] = Sha256::digest(target).into();
        let half = hash.first_chunk().map_or(0, |half| u128::from_be_bytes(*half));
        Self(format!("{half:032x}"))
    }
}

impl From<PushTarget> for String {
    fn from(target: PushTarget) -> Self {
        match target {
            PushTarget::Fcm(token) => token.into(),
            PushTarget::Apns(token) => token.0,
            PushTarget::WebPush(subscription) => subscription.0,
        }
    }
}

/// A device token of APNs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApnsToken(String);

impl ApnsToken {
    /// The maximum number of digits.
    pub const MAX_CHARS: usize = 200;
}

impl TryFrom<String> for ApnsToken {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        let token = text.trim();
        if (1..=Self::MAX_CHARS).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(token.to_owned()))
        } else {
            Err(InvalidValue("must have 1 to 200 hexadecimal digits for apns"))
        }
    }
}

/// A Web Push subscription: JSON with the fields of a browser's `PushSubscription` in one order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Subscription")]
pub struct PushSubscription(String);

/// A subscription as browsers serialize it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subscription {
    endpoint: String,
    /// Not used: the provider reports expired subscriptions.
    #[serde(rename = "expirationTime")]
    _expiration_time: Option<f64>,
    keys: Keys,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    p256dh: String,
    auth: String,
}

impl PushSubscription {
    /// The maximum number of bytes as JSON.
    pub const MAX_BYTES: usize = 2048;

    /// The number of bytes of a public key on the curve P-256, uncompressed.
    const KEY_BYTES: usize = 65;

    /// The number of bytes of an authentication secret.
    const AUTH_BYTES: usize = 16;

    /// The JSON.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<Subscription> for PushSubscription {
    type Error = InvalidValue;

    fn try_from(Subscription { endpoint, keys, .. }: Subscription) -> Result<Self, InvalidValue> {
        if !is_https(&endpoint) {
            return Err(InvalidValue("must have an `endpoint` that is an https address"));
        }
        let key = base64url(&keys.p256dh, Self::KEY_BYTES).filter(|digits| digits.starts_with('B'));
        let p256dh = key.ok_or(InvalidValue("must have a key `p256dh` of 65 bytes in base64url, beginning with 4"))?;
        let auth = base64url(&keys.auth, Self::AUTH_BYTES);
        let auth = auth.ok_or(InvalidValue("must have a key `auth` of 16 bytes in base64url"))?;
        // None of these texts has a character that JSON escapes.
        let json = format!(r#"{{"endpoint":"{endpoint}","keys":{{"p256dh":"{p256dh}","auth":"{auth}"}}}}"#);
        if json.len() > Self::MAX_BYTES {
            return Err(InvalidValue("must have at most 2048 bytes"));
        }
        Ok(Self(json))
    }
}

/// Returns true for an https address with a host, without a user name.
fn is_https(address: &str) -> bool {
    let is_of_authority = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    let is_of_address = |byte: u8| byte.is_ascii_graphic() && !br#""\<>^`{|}"#.contains(&byte);
    address.strip_prefix("https://").is_some_and(|rest| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let begins_with_host = authority.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[');
        begins_with_host && authority.bytes().all(is_of_authority) && rest.bytes().all(is_of_address)
    })
}

/// Returns the digits without padding if they encode this many bytes.
fn base64url(text: &str, bytes: usize) -> Option<&str> {
    let digits = text.trim_end_matches('=');
    let value = |digit: u8| match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    };
    let length = (bytes * 8).div_ceil(6);
    if digits.len() != length || !digits.bytes().all(|digit| value(digit).is_some()) {
        return None;
    }
    // The last digit may have more bits than the last byte. They are zero.
    let unused = length * 6 - bytes * 8;
    let last = digits.bytes().next_back().and_then(value)?;
    (last % (1 << unused) == 0).then_some(digits)
}

/// The language of push messages: a tag of BCP 47 as the device sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Locale(String);

impl Locale {
    /// The maximum number of characters.
    pub const MAX_CHARS: usize = 35;

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Locale {
    fn default() -> Self {
        Self("en".to_owned())
    }
}

impl TryFrom<String> for Locale {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        let is_part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
        let language = text.split('-').next().unwrap_or_default();
        let is_language = language.len() >= 2 && language.bytes().all(|byte| byte.is_ascii_alphabetic());
        if is_language && text.len() <= Self::MAX_CHARS && text.split('-').all(is_part) {
            Ok(Self(text))
        } else {
            Err(InvalidValue("must be a language tag of at most 35 characters, like ko or en-GB"))
        }
    }
}

impl From<Locale> for String {
    fn from(locale: Locale) -> Self {
        locale.0
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    fn subscription(endpoint: &str, p256dh: &str, auth: &str) -> Result<PushSubscription, String> {
        let json = json!({ "endpoint": endpoint, "expirationTime": null, "keys": { "p256dh": p256dh, "auth": auth } });
        parsed(json)
    }

    fn parsed(json: Value) -> Result<PushSubscription, String> {
        serde_json::from_value(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_subscription_has_one_form() {
        let endpoint = "https://push.example/a?b=c";
        let stored = json!({ "endpoint": endpoint, "keys": { "p256dh": P256DH, "auth": AUTH } });
        for padding in ["", "="] {
            let given = subscription(endpoint, &format!("{P256DH}{padding}"), &format!("{AUTH}{padding}")).unwrap();
            assert_eq!(serde_json::from_str::<Value>(given.as_str()).unwrap(), stored);
            assert_eq!(given, parsed(stored.clone()).unwrap());
        }
        let other = PushTarget::WebPush(parsed(stored).unwrap());
        assert_eq!(other.provider().as_str(), "web_push");
    }

    #[test]
    fn a_subscription_has_an_https_endpoint_and_keys_of_their_lengths() {
        for bad in [
            "",
            "/a",
            "push.example/a",
            "http://push.example/a",
            "https://",
            "https:///a",
            "https://:443/a",
            "https://me@push.example/a",
            "https://push.example/a b",
            "https://push.example/\"",
            "https://push.exämple/",
        ] {
            assert!(subscription(bad, P256DH, AUTH).unwrap_err().contains("`endpoint`"), "{bad}");
        }
        let good = "https://[2001:db8::1]:8443/a";
        assert!(subscription(good, P256DH, AUTH).is_ok());
        assert!(subscription(&format!("{good}{}", "a".repeat(2048)), P256DH, AUTH).unwrap_err().contains("2048"));
        for bad in
            ["", "B", AUTH, &P256DH.replace('_', "/"), &P256DH.replacen('B', "C", 1), &P256DH.replace("w4", "w5")]
        {
            assert!(subscription(good, bad, AUTH).unwrap_err().contains("`p256dh`"), "{bad}");
        }
        for bad in ["", "BTBZMqHH6r4Tts7J_aSI", "BTBZMqHH6r4Tts7J_aSIgh", P256DH] {
            assert!(subscription(good, P256DH, bad).unwrap_err().contains("`auth`"), "{bad}");
        }
        for bad in [json!({}), json!({ "endpoint": good }), json!({ "endpoint": good, "keys": {} }), json!("text")] {
            assert!(parsed(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn tokens_of_apns_are_hexadecimal() {
        assert!(ApnsToken::try_from(" 00fc13adFF\n".to_owned()).is_ok_and(|token| token.0 == "00fc13adFF"));
        for bad in ["", " ", "00fc/../x", "g", &"0".repeat(201)] {
            assert!(ApnsToken::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_locale_is_a_language_tag() {
        for good in ["ko", "en", "en-GB", "zh-Hant-TW", "de-CH-1901", "sr-Latn-RS-x-abcdefgh"] {
            assert_eq!(Locale::try_from(good.to_owned()).unwrap().as_str(), good);
        }
        let long = format!("en{}", "-abcdefgh".repeat(4));
        for bad in ["", "e", "e-GB", "en_GB", "en-", "-en", "e1", "english-languages", "en GB", "kö", &long] {
            assert!(Locale::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
