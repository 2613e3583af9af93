//! What the services tell each other about access tokens: the names of the buckets, and the form of what is in them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::UserId;

/// The bucket of the public keys that verify access tokens, by their ids. Stored; never rename.
pub const SIGNING_KEYS_BUCKET: &str = "signing_keys";

/// The bucket of the sessions that can be refreshed, by [`family_key`]. Stored; never rename.
pub const SESSIONS_BUCKET: &str = "sessions";

/// The longest that a session can wait for its next refresh, in days.
pub const SESSION_DAYS: i64 = 90;

/// The bucket of tokens that count no more, by [`session_key`], [`subject_key`] and [`ALL_TOKENS_KEY`].
/// Stored; never rename.
pub const REVOKED_BUCKET: &str = "revoked";

/// The key of the revocation of all tokens, which a restored log begins with. No role has this name. Stored; never
/// rename.
pub const ALL_TOKENS_KEY: &str = "all.tokens";

/// How long a revocation can last, in hours.
pub const REVOKED_HOURS: i64 = 25;

/// A key that verifies access tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    /// The public point of an Ed25519 key, in base64url without padding.
    pub x: String,
    /// Since when it can be learnt.
    pub published_at: DateTime<Utc>,
    /// Until when it verifies; given once another key signs in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verifies_until: Option<DateTime<Utc>>,
}

/// Tokens that count no more although they have not expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// Those that were issued before this.
    pub before: DateTime<Utc>,
    /// Until when they would have counted.
    pub until: DateTime<Utc>,
}

/// Where the tokens of a session are revoked.
pub fn session_key(session: &str) -> String {
    format!("session.{session}")
}

/// Where all tokens of somebody in a role are revoked.
pub fn subject_key(role: &str, user_id: &UserId) -> String {
    format!("{role}.{user_id}")
}

/// Where a session is kept that can be refreshed.
pub fn family_key(role: &str, user_id: &UserId, session: &str) -> String {
    format!("{role}.{user_id}.{session}")
}
