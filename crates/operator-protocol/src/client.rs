//! The client of the operators' requests.

use async_nats::{Client, Request as Message, RequestErrorKind, connection::State};
use service_kit::nats;

use crate::requests::{Outcome, Request, Service};

/// A connection as the NATS user `operator`.
#[derive(Debug, Clone)]
pub struct OperatorClient {
    client: Client,
}

/// The reason why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// No process of the service answered, or NATS is unreachable.
    #[error("no {service} answers{detail}", service = .0.as_str(), detail = .1)]
    NoAnswer(Service, &'static str),
    /// The current state does not allow it.
    #[error("{0}")]
    Refused(String),
    /// The request failed.
    #[error("{0}")]
    Failed(String),
}

impl OperatorClient {
    /// Connects with `nats://operator:password@host:port`.
    pub async fn connect(url: &str) -> Result<Self, nats::ConnectError> {
        Ok(Self::new(nats::connect_now(url, "operator").await?))
    }

    /// Sends requests over this connection of the user `operator`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Sends a request to the processes of its service, one of which answers.
    pub async fn send_request<R: Request>(&self, request: &R) -> Result<R::Answer, RequestError> {
        if self.client.connection_state() != State::Connected {
            return Err(RequestError::NoAnswer(R::SERVICE, ": there is no connection to NATS"));
        }
        let payload = serde_json::to_vec(request).map_err(|error| RequestError::Failed(error.to_string()))?;
        let message = Message::new().payload(payload.into()).timeout(Some(R::TIMEOUT));
        let answer = self.client.send_request(R::SERVICE.subject(R::VERB), message).await;
        let answer = answer.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => RequestError::NoAnswer(R::SERVICE, ""),
            RequestErrorKind::TimedOut => RequestError::NoAnswer(R::SERVICE, " in time"),
            _ => RequestError::Failed(error.to_string()),
        })?;
        match serde_json::from_slice(&answer.payload) {
            Ok(Outcome::Done(answer)) => Ok(answer),
            Ok(Outcome::Refused(reason)) => Err(RequestError::Refused(reason)),
            Ok(Outcome::Failed(reason)) => Err(RequestError::Failed(reason)),
            Err(error) => Err(RequestError::Failed(format!("the answer cannot be read: {error}"))),
        }
    }
}
