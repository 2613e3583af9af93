//! The key with which an installation signs its tokens.

use std::fmt;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use crate::{message::seconds_since_1970, outcome::SetupError};

/// A signing key (`.p8`) of an Apple developer team.
#[derive(Clone)]
pub struct ApnsKey {
    key: EncodingKey,
    key_id: String,
    team_id: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: u64,
}

impl ApnsKey {
    /// Reads a key in PEM form, with its id and that of the team.
    pub fn from_pem(pem: &str, key_id: &str, team_id: &str) -> Result<Self, SetupError> {
        let unusable = |_| SetupError::Credentials("the key of APNs is not a P-256 key in PEM form (.p8)".to_owned());
        let key = EncodingKey::from_ec_pem(pem.as_bytes()).map_err(unusable)?;
        let key = Self { key, key_id: key_id.to_owned(), team_id: team_id.to_owned() };
        // Another elliptic curve is detected here only.
        key.sign().map_err(unusable)?;
        Ok(key)
    }

    /// Returns a signed token that is valid from now on.
    pub(super) fn sign(&self) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.key_id.clone());
        let claims = Claims { iss: &self.team_id, iat: seconds_since_1970() };
        jsonwebtoken::encode(&header, &claims, &self.key)
    }
}

impl fmt::Debug for ApnsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key_id, team_id, .. } = self;
        f.debug_struct("ApnsKey").field("key_id", key_id).field("team_id", team_id).finish_non_exhaustive()
    }
}
