//! Sessions that can be refreshed: one entry for each, however often its refresh token has changed.

use chrono::{DateTime, Utc};
use domain::{BoxId, UserId, trust};
use serde::{Deserialize, Serialize};

use crate::{
    bucket::{Bucket, BucketError},
    jetstream::JetStreamLog,
};

/// Which session, and whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionKey {
    /// In which role.
    pub role: String,
    /// Who.
    pub user_id: UserId,
    /// The session's own id.
    pub session: String,
}

impl SessionKey {
    fn in_bucket(&self) -> String {
        trust::family_key(&self.role, &self.user_id, &self.session)
    }

    fn parse(key: &str) -> Option<Self> {
        let mut parts = key.split('.');
        let (role, user_id, session) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
        Some(Self { role: role.to_owned(), user_id, session: session.to_owned() })
    }
}

/// All refresh tokens of a session: the one that counts, and the one before.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family {
    /// The hash of the refresh token that counts.
    pub hash: String,
    /// The one that it has replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<Former>,
    /// The box that the session is of, if it is a device's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub box_id: Option<BoxId>,
    /// The credential of the account with which the session was opened or last refreshed. Sessions of earlier versions
    /// have none until their next refresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// When somebody signed in.
    pub created_at: DateTime<Utc>,
    /// When it was refreshed last.
    pub used_at: DateTime<Utc>,
}

/// A refresh token that was used.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    /// Its hash.
    pub hash: String,
    /// With which its successor is made from it.
    pub salt: String,
}

impl std::fmt::Debug for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Family").field("used_at", &self.used_at).finish_non_exhaustive()
    }
}

/// The sessions of everybody, shared by all command-services.
#[derive(Debug)]
pub struct Sessions(Bucket);

impl Sessions {
    /// The sessions beside this log.
    pub fn new(log: JetStreamLog) -> Self {
        Self(Bucket::new(log, trust::SESSIONS_BUCKET))
    }

    /// A session, and its revision.
    pub async fn get(&self, key: &SessionKey) -> Result<Option<(Family, u64)>, BucketError> {
        self.0.get(&key.in_bucket()).await
    }

    /// A new session.
    pub async fn create(&self, key: &SessionKey, family: &Family) -> Result<(), BucketError> {
        self.0.create(&key.in_bucket(), family).await.map(drop)
    }

    /// Another state of the session; a conflict if it is not this revision any more.
    pub async fn update(&self, key: &SessionKey, family: &Family, revision: u64) -> Result<(), BucketError> {
        self.0.update(&key.in_bucket(), family, revision).await.map(drop)
    }

    /// Ends a session. One that has ended stays so.
    pub async fn delete(&self, key: &SessionKey) -> Result<(), BucketError> {
        if self.get(key).await?.is_some() { self.0.delete(&key.in_bucket()).await } else { Ok(()) }
    }

    /// Every session that somebody has, or had not long ago.
    pub async fn of(&self, role: &str, user_id: &UserId) -> Result<Vec<SessionKey>, BucketError> {
        let keys = self.0.keys(&trust::family_key(role, user_id, "*")).await?;
        Ok(keys.iter().filter_map(|key| SessionKey::parse(key)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_all_versions_can_be_read() {
        let first = r#"{"hash":"h","created_at":"2026-11-01T08:00:00Z","used_at":"2026-11-01T08:00:00Z"}"#;
        let family: Family = serde_json::from_str(first).unwrap();
        assert_eq!((&family.credential, serde_json::to_string(&family).unwrap().as_str()), (&None, first));
        let times = r#""created_at":"2026-11-01T08:00:00Z","used_at":"2026-11-01T08:00:00Z"}"#;
        let former = r#""former":{"hash":"g","salt":"s"}"#;
        let second = format!(r#"{{"hash":"h",{former},"box_id":"b1","credential":"c",{times}"#);
        let family: Family = serde_json::from_str(&second).unwrap();
        assert_eq!((family.credential.as_deref(), serde_json::to_string(&family).unwrap()), (Some("c"), second));
    }
}
