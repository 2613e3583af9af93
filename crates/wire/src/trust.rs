//! Access tokens as the services share them: the keys and the form of the entries in the buckets.

use chrono::{DateTime, Utc};
use domain::UserId;
use serde::{Deserialize, Serialize};

/// The longest that a session can wait for its next refresh, in days.
pub const SESSION_DAYS: i64 = 90;

/// The longest lifetime of an invitation to register, in days.
pub const INVITATION_DAYS: i64 = 90;

/// The key of the revocation of all tokens, which a restore stores. No role has this name. Stored; never rename.
pub const ALL_TOKENS_KEY: &str = "all.tokens";

/// The longest lifetime of a revocation, in hours.
pub const REVOKED_HOURS: i64 = 25;

/// The time within which a ticket can be redeemed, in seconds.
pub const TICKET_SECONDS: u32 = 30;

/// A key that verifies access tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    /// The public point of an Ed25519 key, in base64url without padding.
    pub x: String,
    /// The time of publication.
    pub published_at: DateTime<Utc>,
    /// The end of its use for verification. Set once another key has replaced it for signing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verifies_until: Option<DateTime<Utc>>,
}

/// Tokens that are revoked before their expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// Tokens issued before this time are revoked.
    pub before: DateTime<Utc>,
    /// The time at which the last of these tokens expires.
    pub until: DateTime<Utc>,
}

/// The revocation key of a session's tokens.
pub fn session_key(session: &str) -> String {
    format!("session.{session}")
}

/// Returns whether this is the revocation key of a session.
pub fn is_session_key(key: &str) -> bool {
    key.starts_with("session.")
}

/// The revocation key of all tokens of a user in a role.
pub fn subject_key(role: &str, user_id: &UserId) -> String {
    format!("{role}.{user_id}")
}

/// The key of a session that can be refreshed.
pub fn session_record_key(role: &str, user_id: &UserId, session: &str) -> String {
    format!("{role}.{user_id}.{session}")
}
