//! The devices that messages are sent to.

use std::fmt;

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use hyper::{Uri, http::uri::Scheme};
use serde::Deserialize;
use web_push_native::p256::PublicKey;

/// The maximum length of an FCM registration token, in bytes.
const MAX_REGISTRATION_TOKEN: usize = 4096;

/// The maximum length of an APNs device token, in digits. Today's have 64.
const MAX_DEVICE_TOKEN: usize = 200;

/// The maximum length of a Web Push endpoint, in bytes.
const MAX_ENDPOINT: usize = 2048;

/// The length of a subscription's authentication secret, in bytes.
const AUTH_BYTES: usize = 16;

/// Browsers send keys without padding, some libraries with it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A push service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Firebase Cloud Messaging, HTTP v1.
    Fcm,
    /// The Apple Push Notification service.
    Apns,
    /// Web Push (RFC 8030), run by the vendor of a browser.
    WebPush,
}

impl Service {
    /// Returns the name for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fcm => "fcm",
            Self::Apns => "apns",
            Self::WebPush => "web-push",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A device, or a browser. `Debug` hides tokens and endpoints, here and below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An app with a registration token of FCM.
    Fcm(RegistrationToken),
    /// An app with a device token of APNs.
    Apns(DeviceToken),
    /// A browser with a subscription.
    WebPush(Subscription),
}

impl Target {
    /// Returns the service that delivers to the target.
    pub fn service(&self) -> Service {
        match self {
            Self::Fcm(_) => Service::Fcm,
            Self::Apns(_) => Service::Apns,
            Self::WebPush(_) => Service::WebPush,
        }
    }
}

/// The reason why a target cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidTarget(&'static str);

/// A registration token of FCM.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistrationToken(String);

impl RegistrationToken {
    /// Checks that the token is visible ASCII of at most 4096 bytes.
    pub fn new(token: impl Into<String>) -> Result<Self, InvalidTarget> {
        let token = token.into();
        let fits =
            (1..=MAX_REGISTRATION_TOKEN).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(token)) } else { Err(InvalidTarget("a registration token must be visible ASCII")) }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RegistrationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegistrationToken(..)")
    }
}

/// A device token of APNs.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceToken(String);

impl DeviceToken {
    /// Checks that the token consists of hexadecimal digits.
    pub fn new(token: impl Into<String>) -> Result<Self, InvalidTarget> {
        let token = token.into();
        let fits = (1..=MAX_DEVICE_TOKEN).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_hexdigit());
        if fits { Ok(Self(token)) } else { Err(InvalidTarget("a device token must be hexadecimal digits")) }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DeviceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceToken(..)")
    }
}

/// A Web Push subscription of a browser.
#[derive(Clone, PartialEq, Eq)]
pub struct Subscription {
    pub(crate) endpoint: Uri,
    pub(crate) key: PublicKey,
    pub(crate) auth: [u8; AUTH_BYTES],
}

/// A subscription as browsers serialise it.
#[derive(Deserialize)]
struct Serialized {
    endpoint: String,
    keys: Keys,
}

#[derive(Deserialize)]
struct Keys {
    p256dh: String,
    auth: String,
}

impl Subscription {
    /// Checks the form of an endpoint and the keys of a subscription. The address of the endpoint is checked when a
    /// message is sent.
    pub fn new(endpoint: &str, p256dh: &str, auth: &str) -> Result<Self, InvalidTarget> {
        if endpoint.len() > MAX_ENDPOINT {
            return Err(InvalidTarget("an endpoint must have at most 2048 bytes"));
        }
        let endpoint: Uri = endpoint.parse().map_err(|_| InvalidTarget("the endpoint is not an address"))?;
        let scheme = endpoint.scheme();
        if scheme != Some(&Scheme::HTTPS) && scheme != Some(&Scheme::HTTP) {
            return Err(InvalidTarget("the endpoint is not an https address"));
        }
        if endpoint.authority().is_none_or(|authority| authority.host().is_empty() || authority.as_str().contains('@'))
        {
            return Err(InvalidTarget("the endpoint must have a host and no user name"));
        }
        let key = BASE64.decode(p256dh).ok().and_then(|bytes| PublicKey::from_sec1_bytes(&bytes).ok());
        let key = key.ok_or(InvalidTarget("p256dh is not a P-256 public key in base64url"))?;
        let auth = BASE64.decode(auth).ok().and_then(|bytes| bytes.try_into().ok());
        let auth = auth.ok_or(InvalidTarget("auth is not 16 bytes in base64url"))?;
        Ok(Self { endpoint, key, auth })
    }

    /// Reads the JSON of a browser's `PushSubscription`: `{"endpoint", "keys": {"p256dh", "auth"}}`.
    pub fn from_json(json: &str) -> Result<Self, InvalidTarget> {
        let read: Serialized =
            serde_json::from_str(json).map_err(|_| InvalidTarget("not the JSON of a subscription"))?;
        Self::new(&read.endpoint, &read.keys.p256dh, &read.keys.auth)
    }

    /// Returns the host of the endpoint in lower case, with its port if there is one.
    pub fn host(&self) -> String {
        self.endpoint.authority().map(|authority| authority.as_str().to_ascii_lowercase()).unwrap_or_default()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The rest of the endpoint lets others send to the browser.
        f.debug_struct("Subscription").field("host", &self.endpoint.host()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    #[test]
    fn a_subscription_has_an_endpoint_and_valid_keys() {
        let new = Subscription::new;
        let given = new("https://push.example/a", P256DH, AUTH).unwrap();
        assert_eq!(new("https://push.example/a", &format!("{P256DH}="), &format!("{AUTH}==")).unwrap(), given);
        let json = serde_json::json!({"endpoint": "https://push.example/a", "expirationTime": null,
            "keys": {"p256dh": P256DH, "auth": AUTH}});
        assert_eq!(Subscription::from_json(&json.to_string()).unwrap(), given);
        assert_eq!(new("https://Push.example:8443/a", P256DH, AUTH).unwrap().host(), "push.example:8443");
        for bad in [
            "",
            "/a",
            "push.example/a",
            "ftp://push.example/a",
            "https://",
            "https://me@push.example/a",
            "https://[::1/",
        ] {
            assert!(new(bad, P256DH, AUTH).is_err(), "{bad}");
        }
        assert!(new(&format!("https://push.example/{}", "a".repeat(2048)), P256DH, AUTH).is_err());
        // One digit differs, so the point is not on the curve.
        assert!(new("https://push.example/a", &P256DH.replace("iw4", "iw5"), AUTH).is_err());
        assert!(new("https://push.example/a", AUTH, AUTH).is_err());
        assert!(new("https://push.example/a", P256DH, "BTBZMqHH6r4Tts7J_aSI").is_err());
        assert!(Subscription::from_json("{}").is_err());
    }

    #[test]
    fn tokens_have_their_characters() {
        assert!(RegistrationToken::new("dEv:APA91b-_x").is_ok() && DeviceToken::new("00fc13adff").is_ok());
        for bad in ["", "with space", "ünicode", &"x".repeat(4097)] {
            assert!(RegistrationToken::new(bad).is_err() && DeviceToken::new(bad).is_err(), "{bad}");
        }
        assert!(DeviceToken::new("00fc/../x").is_err());
    }
}
