//! The token of a connection, and its renewal before it expires.

use std::{future::pending, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep_until, timeout};

use crate::options::{TokenError, Tokens};

/// The minimum time between two requests for a token.
const SOONEST: Duration = Duration::from_millis(500);

/// The token of a connection and its successor.
pub(crate) struct Renewal {
    tokens: Arc<Tokens>,
    patience: Duration,
    /// The last token that the service has accepted.
    token: String,
    /// A token that was sent and is not accepted yet.
    shown: Option<String>,
    /// The time of the next request for a token; none if a request would be of no use.
    due_at: Option<Instant>,
    asked: Option<BoxFuture<'static, Result<String, TokenError>>>,
}

impl Renewal {
    /// Starts with a token that expires after this time, if the service has sent one.
    pub(crate) fn new(tokens: Arc<Tokens>, patience: Duration, token: String, expires_in: Option<Duration>) -> Self {
        Self { tokens, patience, token, shown: None, due_at: expires_in.map(due), asked: None }
    }

    /// Returns the last token that the service has accepted.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Waits for a new token and returns it. Cancel-safe.
    pub(crate) async fn next(&mut self) -> String {
        loop {
            if let Some(asked) = &mut self.asked {
                let got = asked.await;
                self.asked = None;
                match got {
                    Ok(token) if token != self.token => {
                        self.shown = Some(token.clone());
                        return token;
                    }
                    // The source has no other token: the connection ends with this one.
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(%error, "cannot renew the token");
                        self.due_at = Some(Instant::now() + self.patience);
                    }
                }
            }
            match self.due_at {
                Some(due_at) => sleep_until(due_at).await,
                None => pending().await,
            }
            self.due_at = None;
            let (token, patience) = ((self.tokens)(), self.patience);
            self.asked = Some(Box::pin(async move {
                timeout(patience, token).await.unwrap_or_else(|_| Err("no answer in time".into()))
            }));
        }
    }

    /// Marks the last sent token as accepted by the service.
    pub(crate) fn accepted(&mut self, expires_in: Option<Duration>) {
        self.token = self.shown.take().unwrap_or_else(|| std::mem::take(&mut self.token));
        self.due_at = expires_in.map(due);
    }
}

/// Returns the time to renew a token: after three quarters of its lifetime.
fn due(expires_in: Duration) -> Instant {
    Instant::now() + (expires_in * 3 / 4).max(SOONEST)
}
