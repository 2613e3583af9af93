//! The log on NATS JetStream.

mod answers;
mod append;
mod bulk;
mod read;

use std::{sync::Arc, time::Duration};

use async_nats::Client;
pub use bulk::BulkAddress;
use chrono::{DateTime, Utc};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use storage::{
    JetStream,
    server::{ApiAnswer, READ_TIMEOUT, StreamInfo},
};
use tokio::{sync::Semaphore, time::timeout};
use wire::{SERVICE_API_PREFIX, StreamName, stream::metadata, subject};

use self::{
    answers::{for_stream, unavailable},
    bulk::ConnectionReader,
};
use crate::log::{Answer, Attempt, BulkReader, Freshness, Log, LogError, NewMessage, Range, Recorded, StreamState};

/// The maximum number of concurrent atomic batches of a process. A server allows 50 on a stream, of all processes
/// together.
const MAX_BATCHES: usize = 8;

/// The log, accessed over one connection. Cheap to clone. The client reconnects by itself.
#[derive(Debug, Clone)]
pub struct JetStreamLog {
    server: JetStream,
    bulk: Option<BulkAddress>,
    batches: Arc<Semaphore>,
}

impl JetStreamLog {
    /// Creates the log with the API prefix of the services.
    pub fn new(client: Client) -> Self {
        Self::with_prefix(client, SERVICE_API_PREFIX)
    }

    /// Creates the log with the API prefix of an account.
    pub fn with_prefix(client: Client, prefix: &str) -> Self {
        let batches = Arc::new(Semaphore::new(MAX_BATCHES));
        Self { server: JetStream::with_prefix(client, prefix), bulk: None, batches }
    }

    /// Sets the server for bulk connections of readers of whole streams. None means no such connections.
    #[must_use]
    pub fn with_bulk(self, bulk: Option<BulkAddress>) -> Self {
        Self { bulk, ..self }
    }

    /// The server that stores the log, for the buckets beside it.
    pub fn server(&self) -> &JetStream {
        &self.server
    }

    /// Returns the server's time.
    pub async fn server_time(&self) -> Result<DateTime<Utc>, LogError> {
        if !self.server.is_connected() {
            return Err(LogError::Unavailable("there is no connection".into()));
        }
        Ok(self.info_of(StreamName::User).await?.ts)
    }

    async fn info_of(&self, stream: StreamName) -> Result<StreamInfo, LogError> {
        match self.server.stream_info(&stream.on_server()).await? {
            ApiAnswer::Error { error } => Err(for_stream(error, stream)),
            ApiAnswer::Success(info) => Ok(info),
        }
    }

    async fn stream_state(&self, stream: StreamName) -> Result<StreamState, LogError> {
        let info = self.info_of(stream).await?;
        Ok(StreamState {
            incarnation: info.config.metadata.get(metadata::INCARNATION).cloned().unwrap_or_default(),
            created: info.created,
            first_sequence: info.state.first_seq,
            last_sequence: info.state.last_seq,
            partitions: info.config.metadata.get(metadata::PARTITIONS).and_then(|count| count.parse().ok()),
            is_notified: info.cluster.is_only(&self.server.client().server_info().server_name),
        })
    }
}

impl Log for JetStreamLog {
    fn attempt<'a>(&'a self, messages: &'a [NewMessage], limit: Duration) -> BoxFuture<'a, Attempt> {
        self.attempt_append(messages, limit).boxed()
    }

    fn last<'a>(&'a self, stream: StreamName, subject: &'a str, from: Freshness) -> Answer<'a, Option<Recorded>> {
        match from {
            Freshness::AnyReplica => self.direct_last(stream, subject).boxed(),
            Freshness::Leader => self.leader_last(stream, subject).boxed(),
        }
    }

    fn get(&self, stream: StreamName, sequence: u64, from: Freshness) -> Answer<'_, Option<Recorded>> {
        match from {
            Freshness::AnyReplica => self.direct_get(stream, sequence).boxed(),
            Freshness::Leader => self.leader_get(stream, sequence).boxed(),
        }
    }

    fn read<'a>(&'a self, range: Range<'a>) -> Answer<'a, Vec<Recorded>> {
        self.direct_batch(range).boxed()
    }

    fn bulk(&self) -> Option<Box<dyn BulkReader>> {
        Some(Box::new(ConnectionReader::new(self.bulk.clone()?, self.server.prefix())))
    }

    fn first_since(&self, stream: StreamName, time: DateTime<Utc>) -> Answer<'_, u64> {
        self.sequence_at(stream, time).boxed()
    }

    fn state(&self, stream: StreamName) -> Answer<'_, StreamState> {
        self.stream_state(stream).boxed()
    }

    fn notifications(&self, stream: StreamName) -> Answer<'_, BoxStream<'static, Recorded>> {
        async move {
            let repeated =
                self.server.client().subscribe(subject::stored(&stream.on_server())).await.map_err(unavailable)?;
            Ok(repeated.filter_map(move |message| async move { read::recorded(stream, message).ok() }).boxed())
        }
        .boxed()
    }

    fn connection(&self) -> Option<u64> {
        self.server.is_connected().then(|| self.server.connection_count())
    }

    fn reachable(&self) -> Answer<'_, ()> {
        async move {
            self.server.connected().await?;
            match timeout(READ_TIMEOUT, self.server.client().flush()).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(unavailable(error)),
                Err(elapsed) => Err(unavailable(elapsed)),
            }
        }
        .boxed()
    }
}
