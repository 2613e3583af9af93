//! The scenarios of `clients/conformance`, which all clients run. Its README describes them.

mod items;
mod placeholders;
mod stage;

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use serde_json::Value;

use self::stage::Stage;

/// A situation: the client, and what happens step by step.
#[derive(Debug, Deserialize)]
struct Scenario {
    name: String,
    #[serde(default)]
    client: ClientOptions,
    steps: Vec<Step>,
}

/// The client under test.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ClientOptions {
    servers: Vec<ServerState>,
    tokens: Vec<Token>,
    longest_delay_ms: u64,
    time_limit_ms: u64,
    capacity: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            servers: vec![ServerState::Up],
            tokens: vec![Token::Text("a token".to_owned())],
            longest_delay_ms: 200,
            time_limit_ms: 10_000,
            capacity: 256,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ServerState {
    Up,
    Down,
}

/// An answer of the token source.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Token {
    Text(String),
    Failure { error: String },
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Step {
    Connect,
    Follow { room_id: String, after_v: Option<u64> },
    Unfollow(String),
    Fetch { name: String, room_id: String, after_v: u64 },
    Fetched { name: String, events: Vec<u64>, to_v: u64, head_v: u64 },
    FetchFails { name: String, code: String },
    Deliver(Vec<Value>),
    DeliverExactly(Vec<Value>),
    DeliverEvents(Vec<Versions>),
    End,
    Ended,
    Accept(Accept),
    Greet(Greet),
    Receive(Value),
    ReceivePart(Value),
    Send(Value),
    SendText(String),
    Welcome(BTreeMap<String, Value>),
    Events(Vec<Versions>),
    Close { code: u16, reason: String },
    Bye { code: u16, reason: String, retry_ms: Option<u64> },
    Drop,
    Gone,
    WaitMs(u64),
}

/// The server that a connection arrives at, and the earliest time.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Accept {
    server: Option<ServerChoice>,
    not_before_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
struct Greet {
    v: u64,
    head_v: u64,
    #[serde(flatten)]
    accept: Accept,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum ServerChoice {
    Number(usize),
    Word(ServerWord),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ServerWord {
    Any,
    Other,
}

/// A version, or a range of versions.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Versions {
    One(u64),
    Range { from: u64, to: u64 },
}

impl Versions {
    fn all(list: &[Self]) -> impl Iterator<Item = u64> {
        list.iter().flat_map(|versions| match *versions {
            Self::One(v) => v..=v,
            Self::Range { from, to } => from..=to,
        })
    }
}

/// Plays all scenarios of a file, one after another.
async fn play(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/conformance").join(file);
    let scenarios: Vec<Scenario> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(!scenarios.is_empty());
    for scenario in scenarios {
        eprintln!("{}", scenario.name);
        Stage::play(&scenario).await;
    }
}

#[tokio::test]
async fn versions_are_delivered_once_and_in_order() {
    play("order.json").await;
}

#[tokio::test]
async fn ends_of_connections_are_handled() {
    play("closing.json").await;
}

#[tokio::test]
async fn items_of_the_user_pages_and_tokens_are_handled() {
    play("user.json").await;
}
