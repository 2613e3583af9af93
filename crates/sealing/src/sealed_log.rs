//! The log of the services that have the user keys: personal values are encrypted when they are appended and decrypted
//! when they are read.

use std::{borrow::Cow, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use event_store::log::{
    Answer, Attempt, BulkReader, Freshness, Log, LogError, NewMessage, Range, Recorded, SealError, StreamState,
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use wire::StreamName;

use crate::{cipher, error::KeyError, keys::KeyRing};

/// A log with encrypted personal values. Shared by the executors, or by the projector's tracks.
pub struct SealedLog {
    stored: Arc<dyn Log>,
    keys: Arc<KeyRing>,
}

impl SealedLog {
    /// Wraps this log with these keys.
    pub fn new(stored: Arc<dyn Log>, keys: Arc<KeyRing>) -> Arc<Self> {
        Arc::new(Self { stored, keys })
    }

    async fn opened(&self, recorded: Option<Recorded>) -> Result<Option<Recorded>, LogError> {
        let Some(mut recorded) = recorded else { return Ok(None) };
        self.keys.open(std::slice::from_mut(&mut recorded)).await?;
        Ok(Some(recorded))
    }

    async fn sealed(&self, message: &NewMessage) -> Result<NewMessage, SealError> {
        let Some(owner) = cipher::owner(message) else { return Ok(message.clone()) };
        let key = self.keys.sealing(&owner).await.map_err(seal_error)?;
        cipher::seal(message, &owner, &key.ok_or(SealError::Erased)?).ok_or(SealError::Cipher)
    }
}

impl Log for SealedLog {
    fn seal<'a>(&'a self, messages: &'a [NewMessage]) -> BoxFuture<'a, Result<Cow<'a, [NewMessage]>, SealError>> {
        async move {
            let mut sealed = Vec::with_capacity(messages.len());
            for message in messages {
                sealed.push(self.sealed(message).await?);
            }
            Ok(Cow::Owned(sealed))
        }
        .boxed()
    }

    fn as_stored(&self) -> Option<Arc<dyn Log>> {
        Some(Arc::clone(&self.stored))
    }

    fn attempt<'a>(&'a self, messages: &'a [NewMessage], patience: Duration) -> BoxFuture<'a, Attempt> {
        self.stored.attempt(messages, patience)
    }

    fn last<'a>(&'a self, stream: StreamName, subject: &'a str, from: Freshness) -> Answer<'a, Option<Recorded>> {
        async move { self.opened(self.stored.last(stream, subject, from).await?).await }.boxed()
    }

    fn get(&self, stream: StreamName, sequence: u64, from: Freshness) -> Answer<'_, Option<Recorded>> {
        async move { self.opened(self.stored.get(stream, sequence, from).await?).await }.boxed()
    }

    fn read<'a>(&'a self, range: Range<'a>) -> Answer<'a, Vec<Recorded>> {
        async move {
            let mut page = self.stored.read(range).await?;
            self.keys.open(&mut page).await?;
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
    fn notices(&self, stream: StreamName) -> Answer<'_, BoxStream<'static, Recorded>> {
        async move {
            let (keys, notices) = (Arc::clone(&self.keys), self.stored.notices(stream).await?);
            let opened = notices.filter_map(move |mut recorded| {
                let keys = Arc::clone(&keys);
                async move { keys.open(std::slice::from_mut(&mut recorded)).await.ok().map(|()| recorded) }
            });
            Ok(opened.boxed())
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
            self.keys.open(&mut page).await?;
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

fn seal_error(error: KeyError) -> SealError {
    match error {
        KeyError::Full(lack) => SealError::Full(lack),
        error => SealError::Key(error.into()),
    }
}
