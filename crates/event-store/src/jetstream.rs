//! The log on NATS JetStream.

mod append;
mod bulk;
mod codes;
mod read;
mod silence;

use std::{sync::Arc, time::Duration};

use async_nats::{Client, connection::State, jetstream};
use bucket_watch::{BucketWatch, Home};
pub(crate) use bulk::BULK_CONSUMER;
pub use bulk::{BulkAddress, BulkReader};
use chrono::{DateTime, Utc};
pub use domain::notice::SERVICE_API_PREFIX;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use serde::Deserialize;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

use crate::{
    log::{Answer, Attempt, Freshness, Log, LogError, NewMessage, Range, Recorded, StreamState},
    space::Space,
    stream::{StreamName, metadata},
    subject,
};

/// The prefix of the JetStream API for the account that owns the log.
pub const OWNER_API_PREFIX: &str = "$JS.API";

/// The timeout of everything but appends.
const READ_PATIENCE: Duration = Duration::from_secs(2);

/// The longest wait for a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);

/// The maximum number of concurrent atomic batches of a process. A server allows 50 on a stream, of all processes
/// together.
const MAX_BATCHES: usize = 8;

/// The log, accessed over one connection. Cheap to clone. The client reconnects by itself.
#[derive(Debug, Clone)]
pub struct JetStreamLog {
    client: Client,
    context: jetstream::Context,
    prefix: String,
    bulk: Option<BulkAddress>,
    space: Space,
    batches: Arc<Semaphore>,
}

impl JetStreamLog {
    /// Creates the log with the API prefix of the services.
    pub fn new(client: Client) -> Self {
        Self::with_prefix(client, SERVICE_API_PREFIX)
    }

    /// Creates the log with the API prefix of an account.
    pub fn with_prefix(client: Client, prefix: &str) -> Self {
        let context = jetstream::ContextBuilder::new().api_prefix(prefix).timeout(READ_PATIENCE).build(client.clone());
        let batches = Arc::new(Semaphore::new(MAX_BATCHES));
        Self { client, context, prefix: prefix.to_owned(), bulk: None, space: Space::default(), batches }
    }

    /// Sets the server for bulk connections of readers of whole streams. None means no such connections.
    #[must_use]
    pub fn bulk_from(self, bulk: Option<BulkAddress>) -> Self {
        Self { bulk, ..self }
    }

    /// The connection.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The streams that have recently rejected messages for lack of space.
    pub fn space(&self) -> &Space {
        &self.space
    }

    pub(crate) fn context(&self) -> &jetstream::Context {
        &self.context
    }

    /// Watches a bucket for changes.
    pub(crate) async fn watch(&self, bucket: &'static str) -> BucketWatch {
        BucketWatch::start(self.client.clone(), &self.prefix, bucket).await
    }

    fn api(&self, operation: &str) -> String {
        format!("{}.{operation}", self.prefix)
    }

    fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Waits until the connection is lost.
    async fn disconnected(&self) {
        while self.is_connected() {
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn connected(&self) -> Result<(), LogError> {
        let deadline = Instant::now() + CONNECT_PATIENCE;
        while !self.is_connected() {
            if Instant::now() > deadline {
                return Err(LogError::Unavailable("there is no connection".into()));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Returns the server's time.
    pub async fn server_time(&self) -> Result<DateTime<Utc>, LogError> {
        if !self.is_connected() {
            return Err(LogError::Unavailable("there is no connection".into()));
        }
        Ok(self.info_of(StreamName::User).await?.ts)
    }

    async fn stream_info(&self, name: &str) -> Result<ApiAnswer<StreamInfo>, LogError> {
        self.connected().await?;
        let request = async_nats::Request::new().timeout(Some(READ_PATIENCE));
        let operation = self.api(&format!("STREAM.INFO.{name}"));
        let answer = self.client.send_request(operation, request).await.map_err(unavailable)?;
        serde_json::from_slice(&answer.payload).map_err(unavailable)
    }

    async fn info_of(&self, stream: StreamName) -> Result<StreamInfo, LogError> {
        match self.stream_info(&stream.on_server()).await? {
            ApiAnswer::Error { error } => Err(error.for_stream(stream)),
            ApiAnswer::Fine(info) => Ok(info),
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
            is_notified: info.cluster.is_only(&self.client.server_info().server_name),
        })
    }
}

impl Log for JetStreamLog {
    fn attempt<'a>(&'a self, messages: &'a [NewMessage], patience: Duration) -> BoxFuture<'a, Attempt> {
        self.attempt_append(messages, patience).boxed()
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

    fn bulk(&self) -> Option<BulkReader> {
        Some(BulkReader::new(self.bulk.clone()?, &self.prefix))
    }

    fn first_since(&self, stream: StreamName, time: DateTime<Utc>) -> Answer<'_, u64> {
        self.sequence_at(stream, time).boxed()
    }

    fn state(&self, stream: StreamName) -> Answer<'_, StreamState> {
        self.stream_state(stream).boxed()
    }

    fn notices(&self, stream: StreamName) -> Answer<'_, BoxStream<'static, Recorded>> {
        async move {
            let repeated = self.client.subscribe(subject::stored(&stream.on_server())).await.map_err(unavailable)?;
            Ok(repeated.filter_map(move |message| async move { read::recorded(stream, message).ok() }).boxed())
        }
        .boxed()
    }

    fn connection(&self) -> Option<u64> {
        self.is_connected().then(|| self.connection_count())
    }

    fn reachable(&self) -> Answer<'_, ()> {
        async move {
            self.connected().await?;
            match timeout(READ_PATIENCE, self.client.flush()).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(unavailable(error)),
                Err(elapsed) => Err(unavailable(elapsed)),
            }
        }
        .boxed()
    }
}

fn unavailable(error: impl std::fmt::Display) -> LogError {
    LogError::Unavailable(error.to_string())
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ApiAnswer<T> {
    Error { error: ApiError },
    Fine(T),
}

#[derive(Deserialize)]
pub(crate) struct ApiError {
    code: u64,
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

impl ApiError {
    const STREAM_NOT_FOUND: u64 = 10059;
    const STREAM_OFFLINE: u64 = 10118;

    fn for_stream(self, stream: StreamName) -> LogError {
        match self {
            Self { err_code: Self::STREAM_NOT_FOUND, .. } => LogError::Absent(stream),
            Self { code: 503, description, .. } | Self { err_code: Self::STREAM_OFFLINE, description, .. } => {
                LogError::Unavailable(description)
            }
            Self { err_code, description, .. } => LogError::Rejected { code: err_code, description },
        }
    }
}

#[derive(Deserialize)]
struct StreamInfo {
    /// The time of the answer.
    ts: DateTime<Utc>,
    created: DateTime<Utc>,
    config: StreamSettings,
    state: StreamNumbers,
    #[serde(default)]
    cluster: Home,
}

#[derive(Deserialize)]
struct StreamSettings {
    #[serde(default)]
    num_replicas: usize,
    #[serde(default)]
    metadata: std::collections::HashMap<String, String>,
}

#[derive(Deserialize)]
struct StreamNumbers {
    first_seq: u64,
    last_seq: u64,
}
