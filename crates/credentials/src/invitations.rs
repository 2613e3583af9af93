//! Invitations to register, made by operators. Each can be used a limited number of times until it expires.

use chrono::{DateTime, Utc};
use domain::UserId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use storage::{Bucket, BucketError, JetStream};
use wire::{bucket::INVITATIONS_BUCKET, subject::hex};

use crate::login_throttle::KeyedMutex;

/// The maximum number of uses of an invitation.
pub const MAX_USES: u32 = 100;

/// The number of tries to redeem an invitation under concurrent changes.
const ATTEMPTS: usize = 32;

/// An invitation to register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// The number of users who may register with it.
    pub uses: u32,
    /// The time at which it expires.
    pub expires_at: DateTime<Utc>,
    /// The time at which it was made.
    pub created_at: DateTime<Utc>,
    /// The ids with which it was redeemed, at most [`uses`](Self::uses).
    pub redeemed_by: Vec<UserId>,
}

impl Invitation {
    /// Returns the number of users who may still register with it, apart from its expiry.
    pub fn uses_left(&self) -> u32 {
        self.uses.saturating_sub(u32::try_from(self.redeemed_by.len()).unwrap_or(u32::MAX))
    }
}

/// The invitations, shared by all command-services and operators. The bucket has the hashes of the tokens.
#[derive(Debug)]
pub struct Invitations {
    bucket: Bucket,
    /// Serializes changes of an invitation within the process, so that they do not conflict.
    keys: KeyedMutex,
}

/// Returns the id of the invitation with this token. It does not reveal the token.
pub fn invitation_id(token: &str) -> String {
    let digest = Sha256::digest(token.as_bytes());
    hex(digest.get(..16).unwrap_or_default())
}

impl Invitations {
    /// Creates a handle to the invitations on this server.
    pub fn new(server: JetStream) -> Self {
        Self { bucket: Bucket::new(server, INVITATIONS_BUCKET), keys: KeyedMutex::default() }
    }

    /// Stores a new invitation with this token.
    pub async fn create(&self, token: &str, invitation: &Invitation) -> Result<(), BucketError> {
        self.bucket.create(&invitation_id(token), invitation).await.map(drop)
    }

    /// Returns all invitations with their ids, the newest first.
    pub async fn all(&self) -> Result<Vec<(String, Invitation)>, BucketError> {
        let mut found = Vec::new();
        for id in self.bucket.keys("*").await? {
            if let Some((invitation, _)) = self.bucket.get::<Invitation>(&id).await? {
                found.push((id, invitation));
            }
        }
        found.sort_by_key(|(_, invitation)| std::cmp::Reverse(invitation.created_at));
        Ok(found)
    }

    /// Removes an invitation. Returns false if there is none with this id.
    pub async fn remove(&self, id: &str) -> Result<bool, BucketError> {
        let found = self.bucket.get::<Invitation>(id).await?.is_some();
        if found {
            self.bucket.delete(id).await?;
        }
        Ok(found)
    }

    /// Uses an invitation once for a user id. Returns false if there is none with this token, or if it has expired or
    /// has no use left. A repeat for the same id uses nothing, also later.
    pub async fn redeem(&self, token: &str, user_id: &UserId, now: DateTime<Utc>) -> Result<bool, BucketError> {
        let id = invitation_id(token);
        let _guard = self.keys.lock(&id).await;
        for _ in 0..ATTEMPTS {
            let Some((mut invitation, revision)) = self.bucket.get::<Invitation>(&id).await? else {
                return Ok(false);
            };
            if invitation.redeemed_by.contains(user_id) {
                return Ok(true);
            }
            if invitation.uses_left() == 0 || now >= invitation.expires_at {
                return Ok(false);
            }
            invitation.redeemed_by.push(user_id.clone());
            match self.bucket.update(&id, &invitation, revision).await {
                Err(BucketError::Conflict(_)) => {}
                result => return result.map(|_| true),
            }
        }
        Err(BucketError::Conflict(id))
    }
}
