//! Signs access tokens with one key. The key's id is its thumbprint.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use domain::UserId;
use ed25519_dalek::{SigningKey, pkcs8::DecodePrivateKey};
use jsonwebtoken::{Algorithm, EncodingKey, Header};

use super::{
    caller::Role,
    claims::{Claims, ISSUER, seconds_of},
    trust_store::jwk_of,
};
use crate::clock;

/// The error of a key that cannot be read, or of a token that cannot be signed.
#[derive(Debug, thiserror::Error)]
#[error("not a usable Ed25519 key in PEM form")]
pub struct KeyError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl KeyError {
    fn of(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

/// The content of a token.
#[derive(Debug, Clone, Copy)]
pub struct Grant<'a> {
    /// The id of the user, operator, moderator or box.
    pub user_id: &'a UserId,
    /// The role.
    pub role: &'a Role,
    /// The session of the token.
    pub session: Option<&'a str>,
    /// The time of the sign-in, for a token with a session.
    pub authenticated_at: Option<DateTime<Utc>>,
    /// The time of issue.
    pub at: DateTime<Utc>,
    /// The lifetime.
    pub lifetime: TimeDelta,
}

/// Signs access tokens.
#[derive(Clone)]
pub struct Signer {
    key: Arc<EncodingKey>,
    id: String,
    public: String,
}

impl Signer {
    /// Reads an Ed25519 private key (PKCS#8 PEM).
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let key = EncodingKey::from_ed_pem(pem.as_bytes()).map_err(KeyError::of)?;
        let public = SigningKey::from_pkcs8_pem(pem).map_err(KeyError::of)?.verifying_key();
        let public = BASE64_URL_SAFE_NO_PAD.encode(public.as_bytes());
        let id = jwk_of(&public).and_then(|jwk| jwk.common.key_id).ok_or_else(|| KeyError::of("no thumbprint"))?;
        Ok(Self { key: Arc::new(key), id, public })
    }

    /// The key's id: its thumbprint (RFC 7638).
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public key, as in the field `x` of a JWK.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// Signs a token.
    pub fn sign(&self, grant: Grant<'_>) -> Result<String, KeyError> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: grant.user_id.to_string(),
            role: grant.role.name().to_owned(),
            box_id: if let Role::Device(box_id) = grant.role { Some(box_id.clone()) } else { None },
            sid: grant.session.map(str::to_owned),
            jti: clock::new_id().simple().to_string(),
            iat: seconds_of(grant.at),
            exp: (grant.at + grant.lifetime).timestamp(),
            auth_time: grant.authenticated_at.map(|at| at.timestamp()),
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.id.clone());
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(KeyError::of)
    }
}
