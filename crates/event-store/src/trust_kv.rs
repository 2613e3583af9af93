//! Which access tokens count: the public keys that verify them, and those that were revoked.

use chrono::{DateTime, Utc};
use domain::trust::{self, PublicKey, Revoked};

use crate::{
    bucket::{Bucket, BucketError},
    jetstream::JetStreamLog,
};

/// The public keys that every verifier learns.
#[derive(Debug)]
pub struct SigningKeys(Bucket);

impl SigningKeys {
    /// The keys beside this log.
    pub fn new(log: JetStreamLog) -> Self {
        Self(Bucket::new(log, trust::SIGNING_KEYS_BUCKET))
    }

    /// Publishes a key and returns whether it is new; one that was published before stays as it is.
    pub async fn publish(&self, id: &str, key: &PublicKey) -> Result<bool, BucketError> {
        match self.0.create(id, key).await {
            Ok(_) => Ok(true),
            Err(BucketError::Conflict(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Says until when a key verifies, unless that was said before.
    pub async fn supersede(&self, id: &str, until: DateTime<Utc>) -> Result<(), BucketError> {
        match self.0.get::<PublicKey>(id).await? {
            Some((key, revision)) if key.verifies_until.is_none() => {
                self.0.update(id, &PublicKey { verifies_until: Some(until), ..key }, revision).await.map(drop)
            }
            _ => Ok(()),
        }
    }
}

/// The tokens that count no more.
#[derive(Debug)]
pub struct Revocations(Bucket);

impl Revocations {
    /// The revocations beside this log.
    pub fn new(log: JetStreamLog) -> Self {
        Self(Bucket::new(log, trust::REVOKED_BUCKET))
    }

    /// Revokes the tokens under a key of [`domain::trust`].
    pub async fn put(&self, key: &str, revoked: Revoked) -> Result<(), BucketError> {
        self.0.put(key, &revoked).await
    }
}
