//! A refresh token: the key of its session, and a secret. Only the hash of the secret is stored.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use credentials::SessionKey;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The maximum length of a refresh token.
pub(crate) const MAX_CHARS: usize = 200;

/// A received refresh token of valid length. It has no `Debug` form.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct RefreshTokenText(String);

impl TryFrom<String> for RefreshTokenText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let length = (1..=MAX_CHARS).contains(&text.len());
        if length { Ok(Self(text)) } else { Err(format!("a refresh token must have 1 to {MAX_CHARS} characters")) }
    }
}

impl RefreshTokenText {
    /// Parses the token. Returns `None` if it is malformed.
    pub(super) fn parse(&self) -> Option<RefreshToken> {
        RefreshToken::parse(&self.0)
    }
}

/// A parsed refresh token, valid once. Its `Debug` form hides the secret.
#[derive(Debug)]
pub(super) struct RefreshToken {
    pub(super) key: SessionKey,
    pub(super) secret: Secret,
}

/// A secret of 256 random bits.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret([u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    pub(super) fn random() -> Self {
        Self(rand::random())
    }

    /// Returns the hash that is stored.
    pub(super) fn hash(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(self.0))
    }

    /// Derives the next secret: the same one for each repeat with this secret and salt. It cannot be derived from the
    /// stored hash and salt.
    pub(super) fn successor(&self, salt: &str) -> Self {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        mac.update(salt.as_bytes());
        Self(mac.finalize().into_bytes().into())
    }
}

/// Generates a salt as random as a secret.
pub(super) fn random_salt() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

impl RefreshToken {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('.').collect();
        let [role, user_id, session, secret] = parts[..] else { return None };
        let is_role = ["user", "operator", "moderator", "device"].contains(&role);
        let is_session = session.len() == 32 && session.bytes().all(|byte| byte.is_ascii_hexdigit());
        let secret = BASE64_URL_SAFE_NO_PAD.decode(secret).ok()?.try_into().ok()?;
        let (role, session) = (role.to_owned(), session.to_owned());
        let key = SessionKey { role, user_id: user_id.parse().ok()?, session };
        (is_role && is_session).then_some(Self { key, secret: Secret(secret) })
    }
}

impl fmt::Display for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SessionKey { role, user_id, session } = &self.key;
        write!(f, "{role}.{user_id}.{session}.{}", BASE64_URL_SAFE_NO_PAD.encode(self.secret.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_round_trips_and_does_not_print_its_secret() {
        let session = "0".repeat(32);
        let key = SessionKey { role: "user".to_owned(), user_id: "ana".parse().unwrap(), session };
        let token = RefreshToken { key, secret: Secret::random() };
        let text = token.to_string();
        let read = RefreshToken::parse(&text).unwrap();
        assert_eq!((&read.key, &read.secret), (&token.key, &token.secret));
        let secret = text.rsplit('.').next().unwrap();
        assert!(!format!("{token:?}").contains(secret) && token.secret.hash() != secret);
    }

    #[test]
    fn malformed_refresh_tokens_are_refused() {
        let (session, secret) = ("0".repeat(32), "A".repeat(43));
        assert!(RefreshToken::parse(&format!("user.ana.{session}.{secret}")).is_some());
        for bad in [
            String::new(),
            format!("user.ana.{session}"),
            format!("user.ana.{session}.{secret}.x"),
            format!("root.ana.{session}.{secret}"),
            format!("user.Ana.{session}.{secret}"),
            format!("user.*.{session}.{secret}"),
            format!("user.ana.>.{secret}"),
            format!("user.ana.{session}.{secret}A"),
            format!("user.ana.{session}.{}", "A".repeat(42)),
            "x".repeat(10_000),
        ] {
            assert!(RefreshToken::parse(&bad).is_none(), "{bad}");
        }
    }
}
