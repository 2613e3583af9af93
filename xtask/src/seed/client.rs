//! A client of the public commands and queries that the seeder needs.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use reqwest::{Response, StatusCode};
use serde_json::Value;

/// The time for which the services may be overloaded.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct Client {
    http: reqwest::Client,
    command_url: String,
    query_url: String,
}

/// The result of a command that creates something.
pub(super) struct Created {
    pub(super) id: String,
    /// The position of its event in the log.
    position: String,
}

impl Client {
    pub(super) fn new(command_url: String, query_url: String) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(15)).no_proxy().build()?;
        Ok(Self { http, command_url, query_url })
    }

    /// Sends a command that an earlier run may have sent already.
    pub(super) async fn ensure(&self, path: &str, token: Option<&str>, key: &str, body: &Value) -> anyhow::Result<()> {
        self.post(path, token, key, body).await.map(drop)
    }

    /// Sends a command that creates something. Returns `None` on a conflict with something that exists.
    pub(super) async fn create(
        &self,
        path: &str,
        token: Option<&str>,
        key: &str,
        body: &Value,
    ) -> anyhow::Result<Option<Created>> {
        let Some(answer) = self.post(path, token, key, body).await? else { return Ok(None) };
        let position = answer.headers().get("event-position").and_then(|value| value.to_str().ok());
        let position = position.context("the answer has no Event-Position")?.to_owned();
        let body: Value = answer.json().await?;
        let id = body["id"].as_str().context("the answer has no id")?.to_owned();
        Ok(Some(Created { id, position }))
    }

    /// Returns true if a room is still open.
    pub(super) async fn is_open(&self, room: &Created, token: Option<&str>) -> anyhow::Result<bool> {
        let url = format!("{}/rooms/{}", self.query_url, room.id);
        let deadline = Instant::now() + RETRY_TIMEOUT;
        loop {
            let request = self.http.get(&url).header("Min-Position", &room.position);
            let answer = request.bearer_auth(token.unwrap_or_default()).send().await?;
            match answer.status() {
                StatusCode::OK => {
                    let room: Value = answer.json().await?;
                    return Ok(room["status"] == "open");
                }
                StatusCode::SERVICE_UNAVAILABLE if Instant::now() < deadline => pause(&answer).await,
                status => bail!("GET {url}: {status} {}", answer.text().await.unwrap_or_default()),
            }
        }
    }

    /// Sends a command. Returns `None` on a conflict with something that exists.
    async fn post(&self, path: &str, token: Option<&str>, key: &str, body: &Value) -> anyhow::Result<Option<Response>> {
        let deadline = Instant::now() + RETRY_TIMEOUT;
        loop {
            let mut request = self.http.post(format!("{}{path}", self.command_url));
            request = request.header("Idempotency-Key", key).json(body);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let answer = request.send().await.with_context(|| format!("POST {path}"))?;
            match answer.status() {
                status if status.is_success() => return Ok(Some(answer)),
                StatusCode::CONFLICT => return Ok(None),
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS if Instant::now() < deadline => {
                    pause(&answer).await;
                }
                status => bail!("POST {path}: {status} {}", answer.text().await.unwrap_or_default()),
            }
        }
    }
}

/// Waits as long as `Retry-After` asks for.
async fn pause(answer: &Response) {
    let seconds = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    tokio::time::sleep(Duration::from_secs(seconds.unwrap_or(1))).await;
}
