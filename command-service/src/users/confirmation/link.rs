//! The token of a link: the user, the end of its validity and a secret of the account, signed by the installation.

use chrono::{DateTime, Utc};
use domain::UserId;
use serde::Deserialize;

use crate::stamp::RequestSecret;

/// The maximum length of a token.
pub(crate) const MAX_CHARS: usize = 160;

/// A received token of valid length. It has no `Debug` form.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct LinkToken(String);

impl TryFrom<String> for LinkToken {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_valid = (1..=MAX_CHARS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_valid { Ok(Self(text)) } else { Err(format!("a token has 1 to {MAX_CHARS} visible ASCII characters")) }
    }
}

impl std::fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkToken(..)")
    }
}

/// The content of a token.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) user_id: UserId,
    /// The end of its validity, in whole seconds.
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) nonce: String,
}

impl Link {
    /// Returns the signed token. It needs no escapes in an address.
    pub(super) fn token(&self, secret: &RequestSecret) -> String {
        let content = format!("{}.{}.{}", self.user_id, self.expires_at.timestamp(), self.nonce);
        let signature = signature(secret, &content);
        format!("{content}.{signature}")
    }

    /// Returns the content of a token. None if it is not signed by the installation, or has expired.
    pub(crate) fn verify(token: &LinkToken, secret: &RequestSecret, now: DateTime<Utc>) -> Option<Self> {
        let (content, given) = token.0.rsplit_once('.')?;
        // Keyed hashes of both are compared, so that the time reveals nothing.
        let compared = |signature: &str| secret.hash(&[b"compared", signature.as_bytes()]).to_string();
        if compared(given) != compared(&signature(secret, content)) {
            return None;
        }
        let mut parts = content.split('.');
        let (user_id, seconds, nonce) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?);
        let expires_at = DateTime::from_timestamp(seconds, 0).filter(|end| now < *end)?;
        Some(Self { user_id, expires_at, nonce: nonce.to_owned() })
    }
}

fn signature(secret: &RequestSecret, content: &str) -> String {
    secret.hash(&[b"confirmation", content.as_bytes()]).to_string()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn secret(digits: &str) -> RequestSecret {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, digits.repeat(32)).unwrap();
        RequestSecret::read(&path).unwrap()
    }

    #[test]
    fn a_token_is_valid_until_it_expires_and_only_as_it_was_signed() {
        let (ours, other, now) = (secret("0f"), secret("0e"), DateTime::from_timestamp(1_000, 0).unwrap());
        let link = Link { user_id: "ana".parse().unwrap(), expires_at: now, nonce: "n-1_x".to_owned() };
        let token = link.token(&ours);
        let read = |token: &str, secret, now| Link::verify(&LinkToken(token.to_owned()), secret, now);
        let before = now - TimeDelta::seconds(1);
        assert!(read(&token, &ours, before) == Some(link));
        assert!(read(&token, &ours, now).is_none(), "expired");
        assert!(read(&token, &other, before).is_none());
        for bad in [
            "",
            "x",
            "ana.1000.n-1_x",
            &token.replacen("ana", "ben", 1),
            &token.replacen("1000", "9000", 1),
            &token.replacen("n-1", "n-2", 1),
            &format!("{token}0"),
            &token[..token.len() - 1],
        ] {
            assert!(read(bad, &ours, before).is_none(), "{bad}");
        }
        assert!(
            token.len() < MAX_CHARS && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        );
    }
}
