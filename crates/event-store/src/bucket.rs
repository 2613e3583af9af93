//! A bucket of JSON values beside the log, every write of which can be guarded by what was read.

use async_nats::jetstream::kv::{CreateErrorKind, Operation, Store, UpdateErrorKind};
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::OnceCell;

use crate::jetstream::JetStreamLog;

/// Why something in a bucket could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// Somebody else was faster: read again.
    #[error("{0} was changed at the same time")]
    Conflict(String),
    /// The server is not there, or slow. A write may have happened; reading it back tells.
    #[error("the bucket {0} cannot be reached")]
    Unavailable(&'static str, #[source] async_nats::Error),
    /// What is stored is something else.
    #[error("{0} cannot be read")]
    Corrupt(String, #[source] serde_json::Error),
}

/// One bucket. Shared by everything in the process that uses it.
#[derive(Debug)]
pub(crate) struct Bucket {
    log: JetStreamLog,
    name: &'static str,
    store: OnceCell<Store>,
}

impl Bucket {
    /// The bucket of this name beside this log.
    pub(crate) fn new(log: JetStreamLog, name: &'static str) -> Self {
        Self { log, name, store: OnceCell::new() }
    }

    async fn store(&self) -> Result<&Store, BucketError> {
        let opened = self.store.get_or_try_init(|| self.log.context().get_key_value(self.name)).await;
        opened.map_err(|error| self.unavailable(error))
    }

    fn unavailable(&self, error: impl Into<async_nats::Error>) -> BucketError {
        BucketError::Unavailable(self.name, error.into())
    }

    /// What is there, and its revision.
    pub(crate) async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<(T, u64)>, BucketError> {
        Ok(self.get_dated(key).await?.map(|(value, revision, _)| (value, revision)))
    }

    /// The same, and when the server stored it.
    pub(crate) async fn get_dated<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<(T, u64, DateTime<Utc>)>, BucketError> {
        let entry = self.store().await?.entry(key).await.map_err(|error| self.unavailable(error))?;
        let Some(entry) = entry.filter(|entry| entry.operation == Operation::Put) else { return Ok(None) };
        let value = serde_json::from_slice(&entry.value);
        let value = value.map_err(|error| BucketError::Corrupt(key.to_owned(), error))?;
        let stored_at = DateTime::from_timestamp(entry.created.unix_timestamp(), entry.created.nanosecond());
        Ok(Some((value, entry.revision, stored_at.unwrap_or(DateTime::UNIX_EPOCH))))
    }

    /// Puts something where nothing is; a conflict if there is something.
    pub(crate) async fn create<T: Serialize>(&self, key: &str, value: &T) -> Result<(), BucketError> {
        let created = self.store().await?.create(key, encode(key, value)?).await;
        created.map(drop).map_err(|error| match error.kind() {
            CreateErrorKind::AlreadyExists => BucketError::Conflict(key.to_owned()),
            _ => self.unavailable(error),
        })
    }

    /// Replaces this revision; a conflict if it is another by now.
    pub(crate) async fn update<T: Serialize>(&self, key: &str, value: &T, revision: u64) -> Result<(), BucketError> {
        let updated = self.store().await?.update(key, encode(key, value)?, revision).await;
        updated.map(drop).map_err(|error| match error.kind() {
            UpdateErrorKind::WrongLastRevision => BucketError::Conflict(key.to_owned()),
            _ => self.unavailable(error),
        })
    }

    /// Puts something there, whatever there is.
    pub(crate) async fn put<T: Serialize>(&self, key: &str, value: &T) -> Result<(), BucketError> {
        let put = self.store().await?.put(key, encode(key, value)?).await;
        put.map(drop).map_err(|error| self.unavailable(error))
    }

    /// Removes whatever there is.
    pub(crate) async fn delete(&self, key: &str) -> Result<(), BucketError> {
        let deleted = self.store().await?.delete(key).await;
        deleted.map_err(|error| self.unavailable(error))
    }

    /// The keys that were ever used, those of what was removed included.
    pub(crate) async fn keys(&self, pattern: &str) -> Result<Vec<String>, BucketError> {
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

fn encode<T: Serialize>(key: &str, value: &T) -> Result<bytes::Bytes, BucketError> {
    let encoded = serde_json::to_vec(value);
    encoded.map(Into::into).map_err(|error| BucketError::Corrupt(key.to_owned(), error))
}
