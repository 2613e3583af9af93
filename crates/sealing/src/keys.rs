//! The keys of users, which encrypt the personal values of the log. Each is wrapped by the installation's master key,
//! and is destroyed when the user is erased.

mod master;

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_nats::jetstream::stream::RawMessageErrorKind;
use domain::UserId;
use event_store::log::Recorded;
use futures::{StreamExt, TryStreamExt, stream};
use moka::future::Cache;
use serde::{Deserialize, Serialize};
use storage::{
    BucketWatch, JetStream,
    bucket::{self, BucketError},
};
use tokio::{task::AbortHandle, time::timeout};
use wire::bucket::KEYS_BUCKET;

pub use self::master::{MasterKeyError, MasterKeys};
use crate::{
    cipher::{self, UserKey},
    error::KeyError,
};

/// The number of keys cached in memory.
const CACHED_KEYS: u64 = 100_000;

/// The longest time for which a key that is fetched at the moment of its destruction stays cached; see [`watch`].
const KEY_CACHE_TTL: Duration = Duration::from_mins(1);

/// The maximum number of concurrent fetches.
const MAX_FETCHES: usize = 64;

/// The interval of checking for keys destroyed by other processes if the server notifies of all changes.
const SAFETY_INTERVAL: Duration = Duration::from_secs(10);

/// The same interval if the server does not notify of all changes. An erasure waits for longer.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The number of tries to create or destroy a key under concurrent writes.
const ATTEMPTS: usize = 8;

/// The stored value of a user in the bucket. Stored; never rename.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredKey {
    /// The key, wrapped by the master key of this id.
    Wrapped { master: String, key: String },
    /// The key was destroyed. Only this makes the user's values count as erased.
    Destroyed {},
}

/// The keys of all users that this process may read. Stops its watch when dropped.
pub struct KeyRing {
    bucket: Arc<Bucket>,
    masters: MasterKeys,
    /// None means that the key was destroyed.
    known: Cache<UserId, Option<UserKey>>,
    watch: AbortHandle,
}

impl Drop for KeyRing {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl KeyRing {
    /// Creates the key ring of the log on this server and starts its watch. The bucket need not be reachable yet.
    pub fn start(server: JetStream, masters: MasterKeys) -> Arc<Self> {
        let bucket = Arc::new(Bucket(bucket::Bucket::new(server.clone(), KEYS_BUCKET)));
        let known = Cache::builder().max_capacity(CACHED_KEYS).time_to_live(KEY_CACHE_TTL).build();
        let watch = supervision::spawn("the watcher of user keys", watch(server, Arc::clone(&bucket), known.clone()));
        Arc::new(Self { bucket, masters, known, watch })
    }

    /// Returns the key that encrypts a user's values, and creates it if there is none. Returns none if the user was
    /// erased.
    pub(crate) async fn encryption_key(&self, user_id: &UserId) -> Result<Option<UserKey>, KeyError> {
        if let Some(known) = self.known.get(user_id).await {
            return Ok(known);
        }
        for _ in 0..ATTEMPTS {
            match self.fetch(user_id).await {
                Err(KeyError::Missing(_)) => {
                    let fresh = self.masters.wrap(user_id, &rand::random());
                    let (master, key) = fresh.ok_or_else(|| KeyError::Corrupt(user_id.clone()))?;
                    // The first writer wins: the loser reads its key.
                    self.bucket.create(user_id, &StoredKey::Wrapped { master, key }).await?;
                }
                found => return found,
            }
        }
        Err(KeyError::Unavailable("too many concurrent writes of the key".to_owned()))
    }

    /// Decrypts the encrypted values of these messages. If a key is not available, it fails and leaves all messages as
    /// they are.
    pub(crate) async fn decrypt(&self, messages: &mut [Recorded]) -> Result<(), KeyError> {
        let encrypted = messages.iter_mut().filter_map(|message| {
            let values = cipher::encrypted_values(&message.payload);
            (!values.is_empty()).then_some((message, values))
        });
        let encrypted: Vec<_> = encrypted.collect();
        if encrypted.is_empty() {
            return Ok(());
        }
        let mut keys: HashMap<String, Option<UserKey>> = HashMap::new();
        let mut unknown = HashMap::new();
        for (message, values) in &encrypted {
            for value in values {
                let owner = value.owner(&message.payload);
                if keys.contains_key(owner) || unknown.contains_key(owner) {
                    continue;
                }
                // An invalid user id cannot own encrypted values.
                let Ok(user_id) = owner.parse::<UserId>() else { continue };
                match self.known.get(&user_id).await {
                    Some(key) => drop(keys.insert(owner.to_owned(), key)),
                    None => drop(unknown.insert(owner.to_owned(), user_id)),
                }
            }
        }
        let fetches = unknown.into_iter().map(async |(owner, user_id)| Ok((owner, self.fetch(&user_id).await?)));
        let answers: Vec<_> = stream::iter(fetches).buffer_unordered(MAX_FETCHES).try_collect().await?;
        keys.extend(answers);
        for (message, values) in encrypted {
            cipher::decrypt_values(message, &values, |owner| keys.get(owner));
        }
        Ok(())
    }

    /// Returns the leader's key of a user. None if it was destroyed. Concurrent callers each send a request of their
    /// own: a caller that is not polled for a while, such as a stream of notifications, would delay the others.
    async fn fetch(&self, user_id: &UserId) -> Result<Option<UserKey>, KeyError> {
        let key = match self.bucket.get(user_id).await? {
            None => return Err(KeyError::Missing(user_id.clone())),
            Some((StoredKey::Destroyed {}, _)) => None,
            Some((StoredKey::Wrapped { master, key }, _)) => Some(self.masters.unwrap(user_id, &master, &key)?),
        };
        self.known.insert(user_id.clone(), key.clone()).await;
        Ok(key)
    }

    /// Destroys the key of a user: values encrypted under it read as erased, in all processes within two seconds. Also
    /// marks the key of a user who never had one as destroyed. Idempotent, and can be repeated after an interruption.
    pub async fn destroy(&self, user_id: &UserId) -> Result<(), KeyError> {
        for _ in 0..ATTEMPTS {
            let tombstone = match self.bucket.get(user_id).await? {
                Some((StoredKey::Destroyed {}, revision)) => Some(revision),
                Some((StoredKey::Wrapped { .. }, revision)) => {
                    self.bucket.update(user_id, &StoredKey::Destroyed {}, revision).await?
                }
                None => self.bucket.create(user_id, &StoredKey::Destroyed {}).await?,
            };
            if let Some(tombstone) = tombstone {
                self.known.insert(user_id.clone(), None).await;
                return self.bucket.erase_before(user_id, tombstone).await;
            }
        }
        Err(KeyError::Unavailable("too many concurrent writes of the key".to_owned()))
    }
}

/// Clears the cache when a key was destroyed by any process. A tombstone is the only second message that a user may
/// have. Each one increases the difference between the last sequence and the number of subjects.
async fn watch(server: JetStream, bucket: Arc<Bucket>, known: Cache<UserId, Option<UserKey>>) {
    let mut changes = BucketWatch::start(server, KEYS_BUCKET, SAFETY_INTERVAL).await;
    let mut seen = None;
    loop {
        match bucket.destroyed_count().await {
            Ok(destroyed) => {
                if seen.replace(destroyed) != Some(destroyed) {
                    known.invalidate_all();
                }
                changes.changed(POLL_INTERVAL).await;
            }
            Err(_) => drop(timeout(POLL_INTERVAL, changes.changed(POLL_INTERVAL)).await),
        }
    }
}

/// The bucket of user keys on the server.
struct Bucket(bucket::Bucket);

impl Bucket {
    async fn destroyed_count(&self) -> Result<u64, KeyError> {
        let info = self.0.stream().await.map_err(unavailable)?.get_info().await.map_err(unavailable)?;
        Ok(info.state.last_sequence.saturating_sub(info.state.subjects_count))
    }

    async fn get(&self, user_id: &UserId) -> Result<Option<(StoredKey, u64)>, KeyError> {
        self.0.get(user_id.as_str()).await.map_err(|error| match error {
            BucketError::Corrupt(..) => KeyError::Corrupt(user_id.clone()),
            error => unavailable(error),
        })
    }

    /// Creates a key and returns its revision. None if another process was faster.
    async fn create(&self, user_id: &UserId, key: &StoredKey) -> Result<Option<u64>, KeyError> {
        unless_conflict(self.0.create(user_id.as_str(), key).await)
    }

    /// Replaces a key and returns its revision. None if another process was faster.
    async fn update(&self, user_id: &UserId, key: &StoredKey, revision: u64) -> Result<Option<u64>, KeyError> {
        unless_conflict(self.0.update(user_id.as_str(), key, revision).await)
    }

    /// Overwrites on disk all messages of a user before a revision.
    async fn erase_before(&self, user_id: &UserId, revision: u64) -> Result<(), KeyError> {
        let stream = self.0.stream().await.map_err(unavailable)?;
        let subject = self.0.subject(user_id.as_str());
        loop {
            let oldest = stream.raw_message_builder().sequence(1).next_by_subject(subject.clone()).send().await;
            match oldest {
                Ok(oldest) if oldest.sequence < revision => {
                    stream.delete_message(oldest.sequence).await.map_err(unavailable)?;
                }
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(()),
                Err(error) => return Err(unavailable(error)),
            }
        }
    }
}

fn unless_conflict(written: Result<u64, BucketError>) -> Result<Option<u64>, KeyError> {
    match written {
        Ok(revision) => Ok(Some(revision)),
        Err(BucketError::Conflict(_)) => Ok(None),
        Err(BucketError::Full(_, space_limit)) => Err(KeyError::Full(space_limit)),
        Err(error) => Err(unavailable(error)),
    }
}

fn unavailable(error: impl std::error::Error) -> KeyError {
    let sources = std::iter::successors(error.source(), |error| error.source());
    let all: Vec<String> = std::iter::once(error.to_string()).chain(sources.map(ToString::to_string)).collect();
    KeyError::Unavailable(all.join(": "))
}
