//! The nats-server of a test, and connections to it as each of the accounts.

use std::{collections::BTreeSet, sync::Arc};

use async_nats::Client;
use event_store::{JetStreamLog, Log, log::Recorded};
use harness::{Account, Nats};
use wire::OWNER_API_PREFIX;

/// The number of partitions in these tests.
pub const PARTITIONS: u16 = 4;

/// Connects to an address with its user and password.
pub async fn connect(url: &str) -> Client {
    let address: async_nats::ServerAddr = url.parse().unwrap();
    let user = address.username().unwrap().to_owned();
    let password = address.password().unwrap().to_owned();
    let options = async_nats::ConnectOptions::with_user_and_password(user.clone(), password);
    options.custom_inbox_prefix(wire::api::inbox(&user)).connect(address).await.unwrap()
}

/// Returns the log of the command-service's account.
pub async fn log(nats: &Nats) -> Arc<JetStreamLog> {
    Arc::new(JetStreamLog::new(connect(&nats.url(Account::Command)).await))
}

/// Returns the log of its owner's account.
pub async fn owned_log(nats: &Nats) -> Arc<dyn Log> {
    Arc::new(JetStreamLog::with_prefix(connect(&nats.url(Account::Admin)).await, OWNER_API_PREFIX))
}

/// The headers that the server adds to messages of direct gets: their place in the log.
const PLACE: [&str; 6] =
    ["Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp", "Nats-Num-Pending", "Nats-Last-Sequence"];

/// Returns all visible parts of messages, independent of the way in which they were read.
pub fn seen(page: &[Recorded]) -> Vec<String> {
    let one = |message: &Recorded| {
        let mut headers = BTreeSet::new();
        message.headers.each(|name, value| {
            if !PLACE.contains(&name) {
                headers.insert(format!("{name}: {value}"));
            }
        });
        let Recorded { stream, sequence, subject, payload, stored_at, .. } = message;
        format!("{stream} {sequence} {subject} {stored_at} {payload:?} {headers:?}")
    };
    page.iter().map(one).collect()
}
