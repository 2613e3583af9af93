//! Sends a request of one caller, and returns whether it was refused because of the caller.

use reqwest::{RequestBuilder, header::CONTENT_TYPE};
use serde_json::{Map, Value, json};
use system_tests::api::{self, Operation};
use testing::wait::new_key;

use super::{Trial, callers::Caller, fixture::Fixture, table::Cell};

/// The transport and kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// A command over HTTP.
    Command,
    /// A command over NATS.
    Nats,
    /// A read.
    Query,
}

/// Problems that depend on the caller and not on the request.
const OF_CALLERS: [&str; 12] = [
    "missing-token",
    "expired-token",
    "invalid-token",
    "revoked-token",
    "forbidden",
    "not-a-member",
    "not-the-host",
    "not-the-author",
    "not-subscribed",
    "kicked",
    "private-box",
    "rate-limited",
];

/// The result of a request.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) status: u64,
    /// The problem code, or an empty text.
    pub(super) code: String,
}

impl Outcome {
    /// True if the result is what the table says.
    pub(super) fn fits(&self, caller: Caller, cell: &Cell) -> bool {
        match (cell, caller) {
            (Cell::NotOverNats, _) => (self.status, self.code.as_str()) == (404, "unknown-command"),
            (Cell::Yes, _) => self.status < 500 && !OF_CALLERS.contains(&self.code.as_str()),
            (Cell::NoToken, _) => self.status == 401 && Some(self.code.as_str()) == caller.token_refusal(),
            (Cell::Refused(code), _) => (self.status, &self.code) == (403, code),
        }
    }
}

pub(super) async fn ask(
    trial: &Trial,
    operation: &Operation,
    way: Way,
    fixture: &Fixture,
    token: Option<&str>,
) -> Outcome {
    let body = operation.body.as_ref().map(example);
    let params = fixture.params();
    if way == Way::Nats {
        let path: Map<_, _> = params.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let mut request = json!({ "idempotency_key": new_key(), "path": path });
        if let Some(token) = token {
            request["token"] = token.into();
        }
        if let Some(body) = body {
            request["body"] = body;
        }
        let reply = trial.device.send(&operation.id, &request).await;
        let code = reply["problem"]["code"].as_str().unwrap_or_default().to_owned();
        return Outcome { status: reply["status"].as_u64().unwrap_or_default(), code };
    }
    let stack = &trial.world.stack;
    let base = if way == Way::Command { stack.command_url(0) } else { stack.query_url(0) };
    let query = if operation.query.iter().any(|(name, _)| name == "q") { "?q=hello" } else { "" };
    let url = format!("{base}{}{query}", api::fill(&operation.path, &params));
    let mut request = trial.world.request(operation.method.clone(), &url).header("idempotency-key", new_key());
    request = body.iter().fold(request, RequestBuilder::json);
    request = token.iter().fold(request, RequestBuilder::bearer_auth);
    let response = request.send().await.unwrap();
    let status = response.status().as_u16().into();
    let problem = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json");
    // Other bodies may never end.
    let problem: Value = if problem { response.json().await.unwrap() } else { Value::Null };
    Outcome { status, code: problem["code"].as_str().unwrap_or_default().to_owned() }
}

/// Returns the example in the description of a body.
fn example(schema: &Value) -> Value {
    let example = schema.get("example").or_else(|| schema["examples"].get(0));
    example.unwrap_or_else(|| panic!("no example in {schema:#}")).clone()
}
