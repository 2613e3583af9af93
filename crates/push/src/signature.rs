//! Signatures of webhooks after Standard Webhooks: HMAC-SHA256 of id, time and body.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use rand::RngExt;
use sha2::Sha256;

/// The beginning of a secret's text.
const PREFIX: &str = "whsec_";

/// The length of a new secret, in bytes.
const LENGTH: usize = 32;

/// The secret that a webhook and its receiver share.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Returns a new random secret.
    pub fn generate() -> Self {
        let mut bytes = vec![0; LENGTH];
        rand::rng().fill(bytes.as_mut_slice());
        Self(bytes)
    }

    /// Returns the secret with these bytes.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Parses the text for the receiver, `whsec_…`, of a secret of 24 to 64 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        (24..=64).contains(&bytes.len()).then_some(Self(bytes))
    }

    /// The bytes of the secret.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the text for the receiver, `whsec_…`.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// Returns the header `webhook-signature` of a request. The time is in seconds since 1970.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use hyper::{
        HeaderMap,
        header::{HeaderName, HeaderValue},
    };

    use super::*;

    #[test]
    fn the_signature_is_that_of_the_specification() {
        let secret = Secret(STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_stock_library_verifies_the_signature() {
        let secret = Secret::generate();
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let now = i64::try_from(since.as_secs()).unwrap();
        let (id, body) = ("box-2.4f2a.42", br#"{"specversion":"1.0"}"#);
        let headers = |signature: String| {
            let headers = [("webhook-id", id.to_owned()), ("webhook-timestamp", now.to_string())];
            let all = headers.into_iter().chain([("webhook-signature", signature)]);
            let value = |text: String| HeaderValue::from_str(&text).unwrap();
            all.map(|(name, text)| (HeaderName::from_static(name), value(text))).collect::<HeaderMap>()
        };
        let library = standardwebhooks::Webhook::new(&secret.reveal()).unwrap();
        library.verify(body, &headers(secret.sign(id, now, body))).unwrap();
        assert!(library.verify(body, &headers(Secret::generate().sign(id, now, body))).is_err());
        assert!(library.verify(b"{}", &headers(secret.sign(id, now, body))).is_err());
    }

    #[test]
    fn a_secret_is_random_and_not_logged() {
        let secret = Secret::generate();
        assert_ne!(secret.as_bytes(), Secret::generate().as_bytes());
        assert_eq!(secret.reveal().len(), PREFIX.len() + 44);
        assert_eq!(format!("{secret:?}"), "Secret");
    }

    #[test]
    fn a_secret_is_parsed_from_its_text() {
        let secret = Secret::generate();
        assert_eq!(Secret::parse(&secret.reveal()).unwrap().as_bytes(), secret.as_bytes());
        for bad in ["", "whsec_", "whsec_!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqr"] {
            assert!(Secret::parse(bad).is_none(), "{bad}");
        }
    }
}
