//! The trust in access tokens: the public keys that verify them, and the revocations.

use chrono::{DateTime, Utc};
use domain::trust::{self, PublicKey, Revoked};

use crate::{
    bucket::{Bucket, BucketError},
    jetstream::JetStreamLog,
};

/// The public signing keys, read by all verifiers.
#[derive(Debug)]
pub struct SigningKeys(Bucket);

impl SigningKeys {
    /// Creates a handle to the keys beside this log.
    pub fn new(log: JetStreamLog) -> Self {
        Self(Bucket::new(log, trust::SIGNING_KEYS_BUCKET))
    }

    /// Publishes a key and returns true if it is new. A key that was published before is not changed.
    pub async fn publish(&self, id: &str, key: &PublicKey) -> Result<bool, BucketError> {
        match self.0.create(id, key).await {
            Ok(_) => Ok(true),
            Err(BucketError::Conflict(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sets the time until which a key verifies tokens, unless it is already set.
    pub async fn supersede(&self, id: &str, until: DateTime<Utc>) -> Result<(), BucketError> {
        match self.0.get::<PublicKey>(id).await? {
            Some((key, revision)) if key.verifies_until.is_none() => {
                self.0.update(id, &PublicKey { verifies_until: Some(until), ..key }, revision).await.map(drop)
            }
            _ => Ok(()),
        }
    }
}

/// The revoked tokens.
#[derive(Debug)]
pub struct Revocations(Bucket);

impl Revocations {
    /// Creates a handle to the revocations beside this log.
    pub fn new(log: JetStreamLog) -> Self {
        Self(Bucket::new(log, trust::REVOKED_BUCKET))
    }

    /// Revokes the tokens under a key of [`domain::trust`].
    pub async fn put(&self, key: &str, revoked: Revoked) -> Result<(), BucketError> {
        self.0.put(key, &revoked).await
    }
}
