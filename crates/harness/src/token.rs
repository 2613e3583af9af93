//! Tokens for tests and for trying things out, signed with the stack's own key.

use std::{path::Path, time::Duration};

use anyhow::Context;
use jsonwebtoken::{Algorithm, EncodingKey, Header};

/// What a token says about its bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearer<'a> {
    /// A person.
    User(&'a str),
    /// Somebody who runs the installation.
    Operator(&'a str),
    /// A delivery box, by its id.
    Device(&'a str),
}

#[derive(serde::Serialize)]
struct Claims<'a> {
    sub: &'a str,
    role: &'a str,
    #[serde(rename = "box", skip_serializing_if = "Option::is_none")]
    delivery_box: Option<&'a str>,
    iat: i64,
    exp: i64,
    iss: &'static str,
}

/// Signs tokens.
#[derive(Clone)]
pub struct Mint {
    key: EncodingKey,
}

impl std::fmt::Debug for Mint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Mint").finish_non_exhaustive()
    }
}

impl Mint {
    /// With the Ed25519 key in this file.
    pub fn read(signing_key: &Path) -> anyhow::Result<Self> {
        let pem = std::fs::read(signing_key).with_context(|| format!("cannot read {}", signing_key.display()))?;
        let key = EncodingKey::from_ed_pem(&pem).with_context(|| format!("{} is no key", signing_key.display()))?;
        Ok(Self { key })
    }

    /// A token that is valid from now on for `lifetime`.
    pub fn token(&self, bearer: Bearer<'_>, lifetime: Duration) -> String {
        let now = unix_now();
        let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX / 2);
        self.token_between(bearer, now, now.saturating_add(lifetime))
    }

    /// A token that has expired.
    pub fn expired_token(&self, bearer: Bearer<'_>) -> String {
        let now = unix_now();
        self.token_between(bearer, now - 7_200, now - 3_600)
    }

    fn token_between(&self, bearer: Bearer<'_>, iat: i64, exp: i64) -> String {
        let (sub, role, delivery_box) = match bearer {
            Bearer::User(id) => (id, "user", None),
            Bearer::Operator(id) => (id, "operator", None),
            Bearer::Device(id) => (id, "device", Some(id)),
        };
        let claims = Claims { sub, role, delivery_box, iat, exp, iss: "boxroom" };
        let header = Header { kid: Some("1".to_owned()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, &claims, &self.key).expect("an Ed25519 key signs everything")
    }
}

fn unix_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
