//! The revocations of access tokens.

use storage::{Bucket, BucketError, JetStream};
use wire::{bucket::REVOKED_BUCKET, trust::Revoked};

/// The revoked tokens.
#[derive(Debug)]
pub struct Revocations(Bucket);

impl Revocations {
    /// Creates a handle to the revocations on this server.
    pub fn new(server: JetStream) -> Self {
        Self(Bucket::new(server, REVOKED_BUCKET))
    }

    /// Revokes the tokens under a key of [`wire::trust`].
    pub async fn put(&self, key: &str, revoked: Revoked) -> Result<(), BucketError> {
        self.0.put(key, &revoked).await
    }
}
