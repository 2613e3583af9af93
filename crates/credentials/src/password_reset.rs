//! Tokens with which users set a new password. An operator issues them and passes them on.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use domain::UserId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// An issued token, as it is stored with the account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordReset {
    /// The hash of the token's secret.
    pub hash: String,
    /// The time at which the token expires.
    pub expires_at: DateTime<Utc>,
}

/// A token: the user, and a secret of 256 random bits. Its `Debug` form hides the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ResetToken {
    user_id: UserId,
    secret: [u8; 32],
}

/// The error for a text that is not a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a token for a new password")]
pub struct MalformedToken;

impl ResetToken {
    /// The maximum length of a text that is read as a token.
    pub const MAX_CHARS: usize = 100;

    /// Creates a token of this user.
    pub fn random(user_id: UserId) -> Self {
        Self { user_id, secret: rand::random() }
    }

    /// The user whose password it sets.
    pub fn user_id(&self) -> &UserId {
        &self.user_id
    }

    /// Returns the hash that is stored.
    pub fn hash(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(self.secret))
    }
}

impl fmt::Debug for ResetToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResetToken").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

impl fmt::Display for ResetToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.user_id, BASE64_URL_SAFE_NO_PAD.encode(self.secret))
    }
}

impl FromStr for ResetToken {
    type Err = MalformedToken;

    fn from_str(text: &str) -> Result<Self, MalformedToken> {
        let (user_id, secret) = text.split_once('.').ok_or(MalformedToken)?;
        let secret = BASE64_URL_SAFE_NO_PAD.decode(secret).map_err(|_| MalformedToken)?;
        let secret = secret.try_into().map_err(|_| MalformedToken)?;
        Ok(Self { user_id: user_id.parse().map_err(|_| MalformedToken)?, secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_written_and_read() {
        let token = ResetToken::random("ana".parse().unwrap());
        let text = token.to_string();
        assert_eq!(text.parse(), Ok(token.clone()));
        assert!(text.starts_with("ana.") && !token.hash().contains(&text[4..]));
        assert_eq!(format!("{token:?}"), r#"ResetToken { user_id: UserId("ana"), .. }"#);
        for bad in ["", "ana", "ana.", "Ana.AAAA", &text[1..3], &text[..text.len() - 1]] {
            assert_eq!(bad.parse::<ResetToken>(), Err(MalformedToken), "{bad}");
        }
    }
}
