//! The log seen from outside, and commands sent to it as a box sends them.

use async_nats::{Client, ConnectOptions, jetstream};
use futures::TryStreamExt;
use harness::{Account, Stack};
use serde_json::Value;

/// The log's server, seen by its administrator.
#[derive(Debug)]
pub struct Log {
    context: jetstream::Context,
}

impl Log {
    pub(crate) async fn connect(stack: &Stack) -> Self {
        let client = connect(&stack.nats_url(Account::Admin), "admin").await;
        Self { context: jetstream::new(client) }
    }

    /// How much has been stored: changes with every event, and with nothing else.
    pub async fn length(&self) -> u64 {
        self.streams().await.iter().map(|stream| stream.state.last_sequence).sum()
    }

    /// Makes the server forget ids of messages as if its duplicate window had passed.
    pub async fn shrink_duplicate_window(&self, window: std::time::Duration) {
        for stream in self.streams().await {
            let mut config = stream.config;
            config.duplicate_window = window;
            let name = config.name.clone();
            self.context.update_stream(config).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    /// The streams of events: those whose messages are told on once they are stored.
    async fn streams(&self) -> Vec<jetstream::stream::Info> {
        let streams: Vec<_> = self.context.streams().try_collect().await.expect("the streams of the log");
        let events: Vec<_> = streams.into_iter().filter(|stream| stream.config.republish.is_some()).collect();
        assert!(!events.is_empty(), "there is no log");
        events
    }
}

/// A connection of a delivery box, which may send commands and nothing else.
#[derive(Debug)]
pub struct Device {
    client: Client,
}

impl Device {
    /// Connects with the boxes' account.
    pub async fn connect(stack: &Stack) -> Self {
        Self { client: connect(&stack.nats_url(Account::Device), "device").await }
    }

    /// Sends a command by its name, and returns the reply.
    pub async fn send(&self, command: &str, request: &Value) -> Value {
        self.send_bytes(command, request.to_string().into_bytes()).await
    }

    /// Sends anything.
    pub async fn send_bytes(&self, command: &str, request: Vec<u8>) -> Value {
        let reply = self.client.request(format!("cmd.{command}"), request.into()).await;
        let reply = reply.unwrap_or_else(|error| panic!("cmd.{command}: {error}"));
        serde_json::from_slice(&reply.payload).unwrap_or_else(|error| panic!("cmd.{command}: {error}"))
    }

    /// The connection itself.
    pub fn client(&self) -> &Client {
        &self.client
    }
}

async fn connect(url: &str, user: &str) -> Client {
    let address = reqwest::Url::parse(url).expect("an address");
    let password = address.password().unwrap_or_default().to_owned();
    let options = ConnectOptions::with_user_and_password(user.to_owned(), password);
    let options = options.custom_inbox_prefix(format!("_INBOX_{user}"));
    options.connect(url).await.unwrap_or_else(|error| panic!("cannot connect to NATS as {user}: {error}"))
}
