//! The log of the services that have the user keys: personal values are encrypted when they are appended and decrypted
//! when they are read.

use std::{borrow::Cow, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use event_store::log::{
    Answer, Attempt, BulkReader, EncryptError, Freshness, Log, LogError, NewMessage, Range, Recorded, StreamState,
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use wire::StreamName;

use crate::{cipher, error::KeyError, keys::KeyRing};

/// A log with encrypted personal values. Shared by the executors, or by the projector's tracks.
pub struct EncryptedLog {
    stored: Arc<dyn Log>,
    keys: Arc<KeyRing>,
}

impl EncryptedLog {
    /// Wraps this log with these keys.
    pub fn new(stored: Arc<dyn Log>, keys: Arc<KeyRing>) -> Arc<Self> {
        Arc::new(Self { stored, keys })
    }

    async fn decrypted(&self, recorded: Option<Recorded>) -> Result<Option<Recorded>, LogError> {
        let Some(mut recorded) = recorded else { return Ok(None) };
        self.keys.decrypt(std::slice::from_mut(&mut recorded)).await?;
        Ok(Some(recorded))
    }

    async fn encrypted(&self, message: &NewMessage) -> Result<NewMessage, EncryptError> {
        let Some(owner) = cipher::owner(message) else { return Ok(message.clone()) };
        let key = self.keys.encryption_key(&owner).await.map_err(encrypt_error)?;
        cipher::encrypt_values(message, &owner, &key.ok_or(EncryptError::Erased)?).ok_or(EncryptError::Cipher)
    }
}

impl Log for EncryptedLog {
    fn encrypt<'a>(&'a self, messages: &'a [NewMessage]) -> BoxFuture<'a, Result<Cow<'a, [NewMessage]>, EncryptError>> {
        async move {
            let mut encrypted = Vec::with_capacity(messages.len());
            for message in messages {
                encrypted.push(self.encrypted(message).await?);
            }
            Ok(Cow::Owned(encrypted))
        }
        .boxed()
    }

    fn as_stored(&self) -> Option<Arc<dyn Log>> {
        Some(Arc::clone(&self.stored))
    }

    fn attempt<'a>(&'a self, messages: &'a [NewMessage], limit: Duration) -> BoxFuture<'a, Attempt> {
        self.stored.attempt(messages, limit)
    }

    fn last<'a>(&'a self, stream: StreamName, subject: &'a str, from: Freshness) -> Answer<'a, Option<Recorded>> {
        async move { self.decrypted(self.stored.last(stream, subject, from).await?).await }.boxed()
    }

    fn get(&self, stream: StreamName, sequence: u64, from: Freshness) -> Answer<'_, Option<Recorded>> {
        async move { self.decrypted(self.stored.get(stream, sequence, from).await?).await }.boxed()
    }

    fn read<'a>(&'a self, range: Range<'a>) -> Answer<'a, Vec<Recorded>> {
        async move {
            let mut page = self.stored.read(range).await?;
            self.keys.decrypt(&mut page).await?;
            Ok(page)
        }
        .boxed()
    }

    fn bulk(&self) -> Option<Box<dyn BulkReader>> {
        Some(Box::new(OpeningReader { stored: self.stored.bulk()?, keys: Arc::clone(&self.keys) }))
    }

    fn first_since(&self, stream: StreamName, time: DateTime<Utc>) -> Answer<'_, u64> {
        self.stored.first_since(stream, time)
    }

    fn state(&self, stream: StreamName) -> Answer<'_, StreamState> {
        self.stored.state(stream)
    }

    /// Drops notifications that cannot be decrypted now. The follower gets the error when it reads the log.
    fn notifications(&self, stream: StreamName) -> Answer<'_, BoxStream<'static, Recorded>> {
        async move {
            let (keys, notifications) = (Arc::clone(&self.keys), self.stored.notifications(stream).await?);
            let decrypted = notifications.filter_map(move |mut recorded| {
                let keys = Arc::clone(&keys);
                async move { keys.decrypt(std::slice::from_mut(&mut recorded)).await.ok().map(|()| recorded) }
            });
            Ok(decrypted.boxed())
        }
        .boxed()
    }

    fn connection(&self) -> Option<u64> {
        self.stored.connection()
    }

    fn reachable(&self) -> Answer<'_, ()> {
        self.stored.reachable()
    }
}

/// Reads large parts of a stream and decrypts them.
struct OpeningReader {
    stored: Box<dyn BulkReader>,
    keys: Arc<KeyRing>,
}

impl BulkReader for OpeningReader {
    fn read<'a>(&'a mut self, range: Range<'a>) -> Answer<'a, Vec<Recorded>> {
        async move {
            let mut page = self.stored.read(range).await?;
            self.keys.decrypt(&mut page).await?;
            Ok(page)
        }
        .boxed()
    }
}

impl From<KeyError> for LogError {
    fn from(error: KeyError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

fn encrypt_error(error: KeyError) -> EncryptError {
    match error {
        KeyError::Full(space_limit) => EncryptError::Full(space_limit),
        error => EncryptError::Key(error.into()),
    }
}
