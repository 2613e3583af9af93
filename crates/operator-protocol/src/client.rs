//! The client of the operators' requests.

use async_nats::{Client, Request as Message, RequestErrorKind, connection::State};
use service_kit::nats;
use wire::notice;

use crate::requests::{Outcome, Request};

/// A connection as the NATS user `operator`.
#[derive(Debug, Clone)]
pub struct Operator {
    client: Client,
}

/// The reason why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No projector answered, or NATS is unreachable.
    #[error("no projector answers{0}")]
    NoAnswer(&'static str),
    /// The current state does not allow it.
    #[error("{0}")]
    Refused(String),
    /// The request failed.
    #[error("{0}")]
    Failed(String),
}

impl Operator {
    /// Connects with `nats://operator:password@host:port`.
    pub async fn connect(url: &str) -> Result<Self, nats::ConnectError> {
        Ok(Self { client: nats::connect_now(url, "operator").await? })
    }

    /// Sends a request to the projectors, one of which answers.
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
