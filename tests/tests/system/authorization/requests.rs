//! Asks for one thing by one caller, and says whether it was refused for who asked.

use reqwest::{RequestBuilder, header::CONTENT_TYPE};
use serde_json::{Map, Value, json};
use system_tests::{
    api::{self, Operation},
    wait::new_key,
};

use super::{Trial, callers::Caller, place::Place, table::Cell};

/// By which way something is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// A command over HTTP.
    Command,
    /// A command over NATS.
    Nats,
    /// A read.
    Query,
}

/// Problems that are about who asks, and not about what.
const OF_CALLERS: [&str; 11] = [
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
    "rate-limited",
];

/// What came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) status: u64,
    /// The code of the problem, if it was one.
    pub(super) code: String,
}

impl Outcome {
    /// Whether it is what the table says.
    pub(super) fn fits(&self, caller: Caller, cell: &Cell) -> bool {
        match (cell, caller) {
            (Cell::NotOverNats, _) => (self.status, self.code.as_str()) == (404, "unknown-command"),
            (Cell::Yes, _) => self.status < 500 && !OF_CALLERS.contains(&self.code.as_str()),
            (Cell::NoToken, Caller::Nobody(kind)) => (self.status, self.code.as_str()) == (401, kind.code()),
            (Cell::NoToken, _) => false,
            (Cell::Refused(code), _) => (self.status, &self.code) == (403, code),
        }
    }
}

pub(super) async fn ask(trial: &Trial, operation: &Operation, way: Way, place: &Place, token: Option<&str>) -> Outcome {
    let body = operation.body.as_ref().map(example);
    let params = place.params();
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
    // The body of anything else may have no end.
    let problem: Value = if problem { response.json().await.unwrap() } else { Value::Null };
    Outcome { status, code: problem["code"].as_str().unwrap_or_default().to_owned() }
}

/// The body that the description gives as an example.
fn example(schema: &Value) -> Value {
    let example = schema.get("example").or_else(|| schema["examples"].get(0));
    example.unwrap_or_else(|| panic!("no example in {schema:#}")).clone()
}
