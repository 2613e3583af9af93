//! The public keys that verify access tokens.

use chrono::{DateTime, Utc};
use storage::{Bucket, BucketError, JetStream};
use wire::{bucket::SIGNING_KEYS_BUCKET, trust::PublicKey};

/// The public signing keys, read by all verifiers.
#[derive(Debug)]
pub struct SigningKeys(Bucket);

impl SigningKeys {
    /// Creates a handle to the keys on this server.
    pub fn new(server: JetStream) -> Self {
        Self(Bucket::new(server, SIGNING_KEYS_BUCKET))
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
