//! An operator's side of the requests.

use std::time::Duration;

use async_nats::{Client, Request as Message, RequestErrorKind, connection::State};
use domain::notice;
use service_kit::nats;
use tokio::time::{Instant, sleep};

use super::requests::{Outcome, Request};

/// How long the server may take to let us in.
const CONNECT: Duration = Duration::from_secs(3);

/// A connection as the NATS user `operator`.
#[derive(Debug, Clone)]
pub struct Operator {
    client: Client,
}

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody is there to do it.
    #[error("no projector answers{0}")]
    NoAnswer(&'static str),
    /// The state of things does not allow it.
    #[error("{0}")]
    Refused(String),
    /// It went wrong.
    #[error("{0}")]
    Failed(String),
}

impl Operator {
    /// Connects with `nats://operator:password@host:port`; waits a moment for the server.
    pub async fn connect(url: &str) -> Result<Self, nats::ConnectError> {
        let client = nats::connect(url, "operator").await?;
        let deadline = Instant::now() + CONNECT;
        while client.connection_state() != State::Connected && Instant::now() < deadline {
            sleep(Duration::from_millis(10)).await;
        }
        Ok(Self { client })
    }

    /// Asks the projectors; one of them answers.
    pub async fn ask<R: Request>(&self, request: &R) -> Result<R::Answer, AskError> {
        if self.client.connection_state() != State::Connected {
            return Err(AskError::NoAnswer(": there is no connection to NATS"));
        }
        let payload = serde_json::to_vec(request).map_err(|error| AskError::Failed(error.to_string()))?;
        let message = Message::new().payload(payload.into()).timeout(Some(R::PATIENCE));
        let answer = self.client.send_request(notice::operation(R::VERB), message).await;
        let answer = answer.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => AskError::NoAnswer(""),
            RequestErrorKind::TimedOut => AskError::NoAnswer(" in time"),
            _ => AskError::Failed(error.to_string()),
        })?;
        match serde_json::from_slice(&answer.payload) {
            Ok(Outcome::Done(answer)) => Ok(answer),
            Ok(Outcome::Refused(reason)) => Err(AskError::Refused(reason)),
            Ok(Outcome::Failed(reason)) => Err(AskError::Failed(reason)),
            Err(error) => Err(AskError::Failed(format!("the projector's answer cannot be read: {error}"))),
        }
    }
}
