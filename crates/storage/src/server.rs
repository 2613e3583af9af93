//! The JetStream of a server, accessed over one connection.

use std::{collections::HashMap, sync::atomic::Ordering, time::Duration};

use async_nats::{Client, connection::State, jetstream};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use tokio::time::{Instant, sleep};
use wire::SERVICE_API_PREFIX;

use crate::{codes::ApiError, space::Space};

/// The timeout of everything but appends.
pub const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest wait for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The server is unreachable or slow.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// The streams and buckets of a server, accessed over one connection. Cheap to clone: clones share connection and
/// [`Space`]. The client reconnects by itself.
#[derive(Debug, Clone)]
pub struct JetStream {
    client: Client,
    context: jetstream::Context,
    prefix: String,
    space: Space,
}

impl JetStream {
    /// Creates the access with the API prefix of the services.
    pub fn new(client: Client) -> Self {
        Self::with_prefix(client, SERVICE_API_PREFIX)
    }

    /// Creates the access with the API prefix of an account.
    pub fn with_prefix(client: Client, prefix: &str) -> Self {
        let context = jetstream::ContextBuilder::new().api_prefix(prefix).timeout(READ_TIMEOUT).build(client.clone());
        Self { client, context, prefix: prefix.to_owned(), space: Space::default() }
    }

    /// The connection.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The client library's access.
    pub fn context(&self) -> &jetstream::Context {
        &self.context
    }

    /// The API prefix of the account.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The streams that have recently rejected messages for lack of space.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// Returns the subject of an operation of the API.
    pub fn api(&self, operation: &str) -> String {
        format!("{}.{operation}", self.prefix)
    }

    /// Returns true if the connection is open.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// The number of connects of the client, as an identifier of the connection. Message order holds within one
    /// connection only.
    pub fn connection_count(&self) -> u64 {
        self.client.statistics().connects.load(Ordering::Relaxed)
    }

    /// Waits until the connection is lost.
    pub async fn disconnected(&self) {
        while self.is_connected() {
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits a short time until the connection is open.
    pub async fn connected(&self) -> Result<(), Unavailable> {
        let deadline = Instant::now() + CONNECT_TIMEOUT;
        while !self.is_connected() {
            if Instant::now() > deadline {
                return Err(Unavailable("there is no connection".into()));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Returns the leader's description of a stream.
    pub async fn stream_info(&self, name: &str) -> Result<ApiAnswer<StreamInfo>, Unavailable> {
        self.connected().await?;
        let request = async_nats::Request::new().timeout(Some(READ_TIMEOUT));
        let operation = self.api(&format!("STREAM.INFO.{name}"));
        let answer = self.client.send_request(operation, request).await.map_err(unavailable)?;
        serde_json::from_slice(&answer.payload).map_err(unavailable)
    }
}

fn unavailable(error: impl std::fmt::Display) -> Unavailable {
    Unavailable(error.to_string())
}

/// The server's answer to a request to its API.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum ApiAnswer<T> {
    /// The request failed.
    Error {
        /// The error.
        error: ApiError,
    },
    /// The request was carried out.
    Success(T),
}

/// A stream as its leader describes it.
#[derive(Debug, Deserialize)]
pub struct StreamInfo {
    /// The time of the answer.
    pub ts: DateTime<Utc>,
    /// The time at which the stream was created on this server.
    pub created: DateTime<Utc>,
    /// The settings.
    pub config: StreamSettings,
    /// The extent.
    pub state: StreamNumbers,
    /// The servers that store it.
    #[serde(default)]
    pub cluster: Home,
}

/// The servers that store a stream.
#[derive(Debug, Default, Deserialize)]
pub struct Home {
    /// The name of the cluster.
    name: Option<String>,
    leader: Option<String>,
}

impl Home {
    /// Returns true if this server belongs to no cluster and stores the stream. Its notifications are lost only
    /// together with the connection.
    pub fn is_only(&self, server: &str) -> bool {
        self.name.is_none() && self.leader.as_deref() == Some(server)
    }
}

/// The settings of a stream.
#[derive(Debug, Deserialize)]
pub struct StreamSettings {
    /// The number of replicas of each message.
    #[serde(default)]
    pub num_replicas: usize,
    /// The metadata by name.
    #[serde(default)]
    pub metadata: HashMap<String, String>,
    /// The subject on which stored messages are published again.
    pub republish: Option<Republish>,
}

/// The subject on which a stream publishes stored messages again.
#[derive(Debug, Deserialize)]
pub struct Republish {
    /// The subject, with a wildcard.
    pub dest: String,
}

/// The extent of a stream.
#[derive(Debug, Deserialize)]
pub struct StreamNumbers {
    /// The first stored sequence.
    pub first_seq: u64,
    /// The last sequence; 0 if nothing was ever stored.
    pub last_seq: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(json: &str) -> Home {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn only_a_server_without_a_cluster_loses_no_notifications() {
        assert!(home(r#"{"leader":"boxroom"}"#).is_only("boxroom"));
        // The server is reached over another one.
        assert!(!home(r#"{"leader":"boxroom"}"#).is_only("leaf"));
        assert!(!home(r#"{"name":"c","leader":"boxroom"}"#).is_only("boxroom"));
        assert!(!home("{}").is_only(""));
    }
}
