//! The nats-server of a test, and connections to it as each of the accounts.

use std::sync::Arc;

use async_nats::Client;
use event_store::{JetStreamLog, Log, OWNER_API_PREFIX};
use harness::{Account, Nats};

/// The number of partitions in these tests.
pub const PARTITIONS: u16 = 4;

/// Connects to an address with its user and password.
pub async fn connect(url: &str) -> Client {
    let address: async_nats::ServerAddr = url.parse().unwrap();
    let user = address.username().unwrap().to_owned();
    let password = address.password().unwrap().to_owned();
    let options = async_nats::ConnectOptions::with_user_and_password(user.clone(), password);
    options.custom_inbox_prefix(format!("_INBOX_{user}")).connect(address).await.unwrap()
}

/// Returns the log of the command-service's account.
pub async fn log(nats: &Nats) -> Arc<JetStreamLog> {
    Arc::new(JetStreamLog::new(connect(&nats.url(Account::Command)).await))
}

/// Returns the log of its owner's account.
pub async fn owned_log(nats: &Nats) -> Arc<dyn Log> {
    Arc::new(JetStreamLog::with_prefix(connect(&nats.url(Account::Admin)).await, OWNER_API_PREFIX))
}
