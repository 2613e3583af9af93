//! The account with which an installation sends, as the Firebase console exports it.

use std::{fmt, fs, path::Path};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};

use crate::{message::seconds_since_1970, outcome::SetupError};

/// The right that an access token is requested for.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";

/// The lifetime of an assertion, in seconds. Google allows one hour.
const ASSERTION_LIFETIME: u64 = 3600;

fn default_token_uri() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

/// A service account of Google with its private key.
#[derive(Clone)]
pub struct ServiceAccount {
    content: Content,
    key: EncodingKey,
}

#[derive(Clone, Deserialize)]
struct Content {
    project_id: String,
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    #[serde(default = "default_token_uri")]
    token_uri: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

impl ServiceAccount {
    /// Reads the JSON of an account. Errors do not contain it.
    pub fn from_json(json: &str) -> Result<Self, SetupError> {
        let content: Content = serde_json::from_str(json).map_err(|_| {
            let wanted = "project_id, client_email and private_key";
            SetupError::Credentials(format!("not the JSON of a service account with {wanted}"))
        })?;
        let key = EncodingKey::from_rsa_pem(content.private_key.as_bytes());
        let key =
            key.map_err(|_| SetupError::Credentials("the private_key is not an RSA key in PEM form".to_owned()))?;
        if !is_path_segment(&content.project_id) {
            return Err(SetupError::Credentials("the project_id is not one".to_owned()));
        }
        Ok(Self { content, key })
    }

    /// Reads the file of an account.
    pub fn from_file(path: &Path) -> Result<Self, SetupError> {
        let json = fs::read_to_string(path);
        let json = json.map_err(|error| SetupError::Credentials(format!("cannot read {}: {error}", path.display())))?;
        Self::from_json(&json)
    }

    /// Replaces the address that issues access tokens.
    #[must_use]
    pub fn with_token_uri(mut self, token_uri: impl Into<String>) -> Self {
        self.content.token_uri = token_uri.into();
        self
    }

    /// The id of the Firebase project.
    pub fn project_id(&self) -> &str {
        &self.content.project_id
    }

    pub(super) fn token_uri(&self) -> &str {
        &self.content.token_uri
    }

    /// Returns a signed request for an access token.
    pub(super) fn assertion(&self) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = Header::new(Algorithm::RS256);
        header.kid.clone_from(&self.content.private_key_id);
        let iat = seconds_since_1970();
        let Content { client_email, token_uri, .. } = &self.content;
        let claims = Claims { iss: client_email, scope: SCOPE, aud: token_uri, iat, exp: iat + ASSERTION_LIFETIME };
        jsonwebtoken::encode(&header, &claims, &self.key)
    }
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount").field("project_id", &self.content.project_id).finish_non_exhaustive()
    }
}

fn is_path_segment(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}
