//! A bucket of JSON values beside the log. Reads go to the leader. Every write can be guarded by the revision that was
//! read.

use std::time::Duration;

use async_nats::{
    HeaderMap, header,
    jetstream::{
        self,
        context::{PublishError, PublishErrorKind},
        kv::{Store, UpdateErrorKind},
        message::StreamMessage,
        stream::{RawMessageErrorKind, Stream},
    },
};
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::OnceCell;

use crate::{disk_full::sources, server::JetStream, space::SpaceLimit};

/// The reasons for which a value could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The value was changed concurrently: read it again.
    #[error("{0} was changed at the same time")]
    Conflict(String),
    /// The server has no space left: certainly not written.
    #[error("the bucket {0} has no space left: {1}")]
    Full(&'static str, SpaceLimit),
    /// The server is unreachable or slow. A write may have happened: read the value to find out.
    #[error("the bucket {0} cannot be reached")]
    Unavailable(&'static str, #[source] async_nats::Error),
    /// The stored value has another type.
    #[error("{0} cannot be read")]
    Corrupt(String, #[source] serde_json::Error),
}

/// The server's error for a message with a lifetime in a stream that takes none.
const LIFETIME_REFUSED: u64 = 10166;

/// The header of a removal.
const OPERATION: &str = "KV-Operation";

/// One bucket. All its users in the process share it.
#[derive(Debug)]
pub struct Bucket {
    server: JetStream,
    name: &'static str,
    store: OnceCell<Store>,
}

impl Bucket {
    /// Creates a handle to the bucket of this name.
    pub fn new(server: JetStream, name: &'static str) -> Self {
        Self { server, name, store: OnceCell::new() }
    }

    async fn store(&self) -> Result<&Store, BucketError> {
        let opened = self.store.get_or_try_init(|| self.server.context().get_key_value(self.name)).await;
        opened.map_err(|error| self.unavailable(error))
    }

    fn unavailable(&self, error: impl Into<async_nats::Error>) -> BucketError {
        BucketError::Unavailable(self.name, error.into())
    }

    /// The stream that holds the bucket.
    pub async fn stream(&self) -> Result<&Stream, BucketError> {
        Ok(&self.store().await?.stream)
    }

    /// The subject of a key in the bucket's stream.
    pub fn subject(&self, key: &str) -> String {
        wire::bucket::subject(self.name, key)
    }

    /// Returns the last message of a key, also a tombstone. Always asks the leader: a replica may lag behind an
    /// acknowledged write.
    async fn last(&self, key: &str) -> Result<Option<StreamMessage>, BucketError> {
        match self.stream().await?.get_last_raw_message_by_subject(&self.subject(key)).await {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(self.unavailable(error)),
        }
    }

    /// Returns the value of a key and its revision, read from the leader.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<(T, u64)>, BucketError> {
        Ok(self.get_with_time(key).await?.map(|(value, revision, _)| (value, revision)))
    }

    /// Returns the value of a key, its revision, and the time at which the server stored it.
    pub async fn get_with_time<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<(T, u64, DateTime<Utc>)>, BucketError> {
        let Some(message) = self.last(key).await?.filter(|message| !is_tombstone(message)) else { return Ok(None) };
        let value = serde_json::from_slice(&message.payload);
        let value = value.map_err(|error| BucketError::Corrupt(key.to_owned(), error))?;
        let stored_at = DateTime::from_timestamp(message.time.unix_timestamp(), message.time.nanosecond());
        Ok(Some((value, message.sequence, stored_at.unwrap_or(DateTime::UNIX_EPOCH))))
    }

    /// Returns `Full` if the server has no space for the value, else `Unavailable`.
    async fn write_error(
        &self,
        key: &str,
        value: &[u8],
        error: impl std::error::Error + Send + Sync + 'static,
    ) -> BucketError {
        match self.server.space_limit(self.name, key, value, &error).await {
            Some(space_limit) => BucketError::Full(self.name, space_limit),
            None => self.unavailable(error),
        }
    }

    /// Creates a value and returns its revision. Fails with a conflict if there is one.
    pub async fn create<T: Serialize>(&self, key: &str, value: &T) -> Result<u64, BucketError> {
        match self.update(key, value, 0).await {
            Err(conflict @ BucketError::Conflict(_)) => match self.last(key).await? {
                Some(message) if is_tombstone(&message) => self.update(key, value, message.sequence).await,
                _ => Err(conflict),
            },
            result => result,
        }
    }

    /// Replaces this revision and returns the new one. Fails with a conflict if it is not current.
    pub async fn update<T: Serialize>(&self, key: &str, value: &T, revision: u64) -> Result<u64, BucketError> {
        let value = encode(key, value)?;
        match self.store().await?.update(key, value.clone(), revision).await {
            Ok(revision) => {
                self.server.record_write(self.name);
                Ok(revision)
            }
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                Err(BucketError::Conflict(key.to_owned()))
            }
            Err(error) => Err(self.write_error(key, &value, error).await),
        }
    }

    /// Creates a value that the server removes after a while, and returns its revision. Fails with a conflict if there
    /// is one. Only for buckets whose messages may have lifetimes.
    pub async fn create_for<T: Serialize>(&self, key: &str, value: &T, lifetime: Duration) -> Result<u64, BucketError> {
        match self.update_for(key, value, 0, lifetime).await {
            Err(conflict @ BucketError::Conflict(_)) => match self.last(key).await? {
                Some(message) if is_tombstone(&message) => {
                    self.update_for(key, value, message.sequence, lifetime).await
                }
                _ => Err(conflict),
            },
            result => result,
        }
    }

    /// Replaces this revision by a value that the server removes after a while, and returns the new revision.
    pub async fn update_for<T: Serialize>(
        &self,
        key: &str,
        value: &T,
        revision: u64,
        lifetime: Duration,
    ) -> Result<u64, BucketError> {
        let value = encode(key, value)?;
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.to_string());
        match self.publish(key, headers, value.clone(), lifetime).await {
            Ok(revision) => Ok(revision),
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {
                Err(BucketError::Conflict(key.to_owned()))
            }
            Err(error) => Err(self.write_error(key, &value, error).await),
        }
    }

    /// Publishes a message that the server removes after a while.
    async fn publish(
        &self,
        key: &str,
        mut headers: HeaderMap,
        value: bytes::Bytes,
        lifetime: Duration,
    ) -> Result<u64, PublishError> {
        headers.insert(header::NATS_MESSAGE_TTL, lifetime.as_secs().max(1).to_string());
        let subject = self.server.published_subject(self.subject(key));
        let acknowledged = self.server.context().publish_with_headers(subject, headers, value).await?.await?;
        self.server.record_write(self.name);
        Ok(acknowledged.sequence)
    }

    /// Removes this revision. Fails with a conflict if it is not current.
    pub async fn delete_revision(&self, key: &str, revision: u64) -> Result<(), BucketError> {
        match self.store().await?.delete_expect_revision(key, Some(revision)).await {
            Ok(()) => {
                self.server.record_write(self.name);
                Ok(())
            }
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                Err(BucketError::Conflict(key.to_owned()))
            }
            Err(error) => Err(self.write_error(key, &[], error).await),
        }
    }

    /// Sets a value unconditionally.
    pub async fn put<T: Serialize>(&self, key: &str, value: &T) -> Result<(), BucketError> {
        let value = encode(key, value)?;
        match self.store().await?.put(key, value.clone()).await {
            Ok(_) => {
                self.server.record_write(self.name);
                Ok(())
            }
            Err(error) => Err(self.write_error(key, &value, error).await),
        }
    }

    /// Removes a value unconditionally.
    pub async fn delete(&self, key: &str) -> Result<(), BucketError> {
        match self.store().await?.delete(key).await {
            Ok(()) => {
                self.server.record_write(self.name);
                Ok(())
            }
            Err(error) => Err(self.write_error(key, &[], error).await),
        }
    }

    /// Removes a value unconditionally, and its key after a while. Only for buckets whose messages may have lifetimes.
    pub async fn delete_and_forget(&self, key: &str, forgotten_after: Duration) -> Result<(), BucketError> {
        let mut headers = HeaderMap::new();
        headers.insert(OPERATION, "DEL");
        match self.publish(key, headers, bytes::Bytes::new(), forgotten_after).await {
            Ok(_) => Ok(()),
            // A bucket of an earlier release, until it is provisioned again.
            Err(error) if is_lifetime_refused(&error) => self.delete(key).await,
            Err(error) => Err(self.write_error(key, &[], error).await),
        }
    }

    /// Returns all keys that were ever used, also those of removed values that are not forgotten.
    pub async fn keys(&self, pattern: &str) -> Result<Vec<String>, BucketError> {
        let store = self.store().await?;
        let found = store.stream.info_with_subjects(format!("{}{pattern}", store.prefix)).await;
        let found: Vec<(String, usize)> = found
            .map_err(|error| self.unavailable(error))?
            .try_collect()
            .await
            .map_err(|error| self.unavailable(error))?;
        let keys = found.iter().filter_map(|(subject, _)| subject.strip_prefix(&store.prefix));
        Ok(keys.map(str::to_owned).collect())
    }
}

/// Returns true if the stream takes no messages with lifetimes.
fn is_lifetime_refused(error: &PublishError) -> bool {
    let mut errors = sources(error).filter_map(|error| error.downcast_ref::<jetstream::Error>());
    errors.any(|error| error.error_code().0 == LIFETIME_REFUSED)
}

fn is_tombstone(message: &StreamMessage) -> bool {
    message.headers.get(OPERATION).is_some()
}

fn encode<T: Serialize>(key: &str, value: &T) -> Result<bytes::Bytes, BucketError> {
    let encoded = serde_json::to_vec(value);
    encoded.map(Into::into).map_err(|error| BucketError::Corrupt(key.to_owned(), error))
}
