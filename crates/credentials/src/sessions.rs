//! Sessions that can be refreshed. Each has one entry, which changes with every refresh.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{BoxId, UserId};
use serde::{Deserialize, Serialize};
use storage::{Bucket, BucketError, JetStream};
use wire::{bucket::SESSIONS_BUCKET, trust};

/// The time for which the key of an ended session is known: a repeat of its end has the same result.
const ENDED_LIFETIME: Duration = Duration::from_mins(10);

/// The key of a session and its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionKey {
    /// The role of the user.
    pub role: String,
    /// The user.
    pub user_id: UserId,
    /// The id of the session.
    pub session: String,
}

impl SessionKey {
    fn bucket_key(&self) -> String {
        trust::session_record_key(&self.role, &self.user_id, &self.session)
    }

    fn parse(key: &str) -> Option<Self> {
        let mut parts = key.split('.');
        let (role, user_id, session) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
        Some(Self { role: role.to_owned(), user_id, session: session.to_owned() })
    }
}

/// The refresh tokens of a session: the current one and its predecessor.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// The hash of the current refresh token.
    pub hash: String,
    /// The predecessor of the current refresh token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<FormerToken>,
    /// The box, if it is a box's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub box_id: Option<BoxId>,
    /// The credential of the account with which the session was opened or last refreshed. Sessions of earlier versions
    /// have none until their next refresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// The time of the sign-in.
    pub created_at: DateTime<Utc>,
    /// The time of the last refresh.
    pub used_at: DateTime<Utc>,
    /// The client's label of its device, given at the sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The beginning of the client's `User-Agent` at the sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// A refresh token that has been used.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerToken {
    /// The hash of the token.
    pub hash: String,
    /// The salt for deriving its successor.
    pub salt: String,
}

impl std::fmt::Debug for SessionRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionRecord").field("used_at", &self.used_at).finish_non_exhaustive()
    }
}

/// The sessions of all principals, shared by all command-services.
#[derive(Debug)]
pub struct Sessions(Bucket);

impl Sessions {
    /// Creates a handle to the sessions on this server.
    pub fn new(server: JetStream) -> Self {
        Self(Bucket::new(server, SESSIONS_BUCKET))
    }

    /// Returns a session and its revision.
    pub async fn get(&self, key: &SessionKey) -> Result<Option<(SessionRecord, u64)>, BucketError> {
        self.0.get(&key.bucket_key()).await
    }

    /// Creates a session.
    pub async fn create(&self, key: &SessionKey, record: &SessionRecord) -> Result<(), BucketError> {
        self.0.create(&key.bucket_key(), record).await.map(drop)
    }

    /// Replaces the session. Fails with a conflict if the revision is not current.
    pub async fn update(&self, key: &SessionKey, record: &SessionRecord, revision: u64) -> Result<(), BucketError> {
        self.0.update(&key.bucket_key(), record, revision).await.map(drop)
    }

    /// Ends a session. Has no effect on one that has ended.
    pub async fn delete(&self, key: &SessionKey) -> Result<(), BucketError> {
        if self.get(key).await?.is_none() {
            return Ok(());
        }
        self.0.delete_and_forget(&key.bucket_key(), ENDED_LIFETIME).await
    }

    /// Returns true if the session exists, or has ended recently.
    pub async fn is_known(&self, key: &SessionKey) -> Result<bool, BucketError> {
        Ok(!self.0.keys(&key.bucket_key()).await?.is_empty())
    }

    /// Returns all sessions of a user in a role, also recently ended ones.
    pub async fn of(&self, role: &str, user_id: &UserId) -> Result<Vec<SessionKey>, BucketError> {
        let keys = self.0.keys(&trust::session_record_key(role, user_id, "*")).await?;
        Ok(keys.iter().filter_map(|key| SessionKey::parse(key)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_all_versions_can_be_read() {
        let first = r#"{"hash":"h","created_at":"2026-11-01T08:00:00Z","used_at":"2026-11-01T08:00:00Z"}"#;
        let record: SessionRecord = serde_json::from_str(first).unwrap();
        assert_eq!((&record.credential, serde_json::to_string(&record).unwrap().as_str()), (&None, first));
        let times = r#""created_at":"2026-11-01T08:00:00Z","used_at":"2026-11-01T08:00:00Z"}"#;
        let former = r#""former":{"hash":"g","salt":"s"}"#;
        let second = format!(r#"{{"hash":"h",{former},"box_id":"b1","credential":"c",{times}"#);
        let record: SessionRecord = serde_json::from_str(&second).unwrap();
        assert_eq!(
            (record.credential.as_deref(), serde_json::to_string(&record).unwrap()),
            (Some("c"), second.clone())
        );
        let device = r#""device":"Phone","user_agent":"Browser/1""#;
        let third = format!("{},{device}}}", second.strip_suffix('}').unwrap());
        let record: SessionRecord = serde_json::from_str(&third).unwrap();
        assert_eq!((record.device.as_deref(), serde_json::to_string(&record).unwrap()), (Some("Phone"), third));
    }
}
