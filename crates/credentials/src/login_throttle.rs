//! Counts of wrong passwords, shared by all instances and kept across restarts.

use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use storage::{Bucket, BucketError, JetStream};
use tokio::sync::{Mutex, MutexGuard};
use wire::bucket::ATTEMPTS_BUCKET;

/// The number of tries to change a tally under concurrent changes.
const ATTEMPTS: usize = 16;

/// The attempts of one kind of caller on one throttle key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The number of consecutive wrong passwords.
    pub failures: u32,
    /// The time of the last attempt.
    pub at: DateTime<Utc>,
    /// True if the right password was given before.
    #[serde(default)]
    pub known: bool,
}

/// The tallies of all throttle keys, shared by all command-services.
#[derive(Debug)]
pub struct LoginAttempts {
    bucket: Bucket,
    /// Serializes changes of a key within the process, so that they do not conflict.
    keys: KeyedMutex,
}

impl LoginAttempts {
    /// Creates a handle to the tallies on this server.
    pub fn new(server: JetStream) -> Self {
        Self { bucket: Bucket::new(server, ATTEMPTS_BUCKET), keys: KeyedMutex::default() }
    }

    /// Returns a tally, if there is one.
    pub async fn get(&self, key: &str) -> Result<Option<Tally>, BucketError> {
        Ok(self.found(key).await?.map(|(tally, _)| tally))
    }

    /// Returns a tally and its revision. The time of the last attempt is at most the time of storing, so that an
    /// instance with a fast clock does not delay clients.
    async fn found(&self, key: &str) -> Result<Option<(Tally, u64)>, BucketError> {
        let found = self.bucket.get_with_time::<Tally>(key).await?;
        Ok(found.map(|(tally, revision, stored_at)| (Tally { at: tally.at.min(stored_at), ..tally }, revision)))
    }

    /// Changes a tally. Concurrent changes are all applied. Nothing is written if `change` returns none.
    pub async fn change(
        &self,
        key: &str,
        change: impl Fn(Option<Tally>) -> Option<Tally>,
    ) -> Result<Option<Tally>, BucketError> {
        let _guard = self.keys.lock(key).await;
        for _ in 0..ATTEMPTS {
            let found = self.found(key).await?;
            let (former, revision) = found.map_or((None, None), |(tally, revision)| (Some(tally), Some(revision)));
            let Some(tally) = change(former) else { return Ok(None) };
            let written = match revision {
                Some(revision) => self.bucket.update(key, &tally, revision).await,
                None => self.bucket.create(key, &tally).await,
            };
            match written {
                Err(BucketError::Conflict(_)) => {}
                result => return result.map(|_| Some(tally)),
            }
        }
        Err(BucketError::Conflict(key.to_owned()))
    }
}

/// Mutexes by key. Different keys may share one: the number of mutexes is fixed.
#[derive(Debug)]
pub struct KeyedMutex(Vec<Mutex<()>>);

impl Default for KeyedMutex {
    fn default() -> Self {
        Self((0..1024).map(|_| Mutex::default()).collect())
    }
}

impl KeyedMutex {
    /// Locks a key until the returned guard is dropped.
    pub async fn lock(&self, name: &str) -> Option<MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let number = hasher.finish() % self.0.len() as u64;
        match self.0.get(usize::try_from(number).unwrap_or_default()) {
            Some(mutex) => Some(mutex.lock().await),
            None => None,
        }
    }
}
