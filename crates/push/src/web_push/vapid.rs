//! The key that identifies this installation to Web Push services (VAPID, RFC 8292).

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hyper::{Uri, header::HeaderValue};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use web_push_native::p256::{
    SecretKey,
    elliptic_curve::sec1::ToEncodedPoint,
    pkcs8::{DecodePrivateKey, EncodePrivateKey},
};

use crate::{
    message::seconds_since_1970,
    outcome::{Failure, SetupError},
};

/// The lifetime of a token, in seconds. Services allow 24 hours, and their clocks may differ.
const LIFETIME: u64 = 12 * 3600;

/// A key pair (P-256) of this installation. Subscriptions are made for it and end with it.
#[derive(Clone)]
pub struct VapidKey {
    key: EncodingKey,
    public: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    exp: u64,
    sub: &'a str,
}

impl VapidKey {
    /// Reads a private key: PEM (PKCS#8 or SEC 1), or 32 bytes in base64url as tools for Web Push write it.
    pub fn from_text(text: &str) -> Result<Self, SetupError> {
        let unusable =
            || SetupError::Credentials("the key of Web Push is not a P-256 key in PEM or base64url".to_owned());
        let text = text.trim();
        let secret = SecretKey::from_pkcs8_pem(text).ok().or_else(|| SecretKey::from_sec1_pem(text).ok());
        let raw = || BASE64_URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| SecretKey::from_slice(&bytes).ok());
        let secret = secret.or_else(raw).ok_or_else(unusable)?;
        let public = BASE64_URL_SAFE_NO_PAD.encode(secret.public_key().to_encoded_point(false).as_bytes());
        let der = secret.to_pkcs8_der().map_err(|_| unusable())?;
        Ok(Self { key: EncodingKey::from_ec_der(der.as_bytes()), public })
    }

    /// The public key in base64url.
    pub fn public_key(&self) -> &str {
        &self.public
    }

    /// Returns the value of the header `authorization` for the service of an endpoint.
    pub(super) fn authorization(&self, endpoint: &Uri, contact: &str) -> Result<HeaderValue, Failure> {
        let unusable = || Failure::unauthorized("the key of Web Push cannot sign");
        let claims = Claims { aud: &origin(endpoint), exp: seconds_since_1970() + LIFETIME, sub: contact };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &self.key).map_err(|_| unusable())?;
        let mut header =
            HeaderValue::try_from(format!("vapid t={token}, k={}", self.public)).map_err(|_| unusable())?;
        header.set_sensitive(true);
        Ok(header)
    }
}

/// Returns the origin of an address, which contains a port only if it is not that of the scheme.
fn origin(address: &Uri) -> String {
    let scheme = address.scheme_str().unwrap_or_default();
    let host = address.host().unwrap_or_default();
    match (scheme, address.port_u16()) {
        ("https", Some(443)) | ("http", Some(80)) | (_, None) => format!("{scheme}://{host}"),
        (_, Some(port)) => format!("{scheme}://{host}:{port}"),
    }
}

impl fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VapidKey").field("public", &self.public).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use web_push_native::p256::pkcs8::LineEnding;

    use super::*;

    #[test]
    fn an_origin_has_only_an_unusual_port() {
        for (address, expected) in [
            ("https://push.example/a?b", "https://push.example"),
            ("https://push.example:443/a", "https://push.example"),
            ("https://push.example:8443/a", "https://push.example:8443"),
            ("https://[2a00::1]:8443/a", "https://[2a00::1]:8443"),
        ] {
            assert_eq!(origin(&address.parse().unwrap()), expected);
        }
    }

    #[test]
    fn a_key_is_read_in_every_form() {
        let raw = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94";
        let public = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
        let secret = SecretKey::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(raw).unwrap()).unwrap();
        let pkcs8 = secret.to_pkcs8_pem(LineEnding::LF).unwrap();
        let sec1 = secret.to_sec1_pem(LineEnding::LF).unwrap();
        for text in [raw, pkcs8.as_str(), sec1.as_str(), &format!(" {raw}\n")] {
            assert_eq!(VapidKey::from_text(text).unwrap().public_key(), public);
        }
        for bad in ["", "AAAA", "not a key"] {
            assert!(VapidKey::from_text(bad).is_err(), "{bad}");
        }
        assert!(!format!("{:?}", VapidKey::from_text(raw).unwrap()).contains(raw));
    }
}
