//! The token of a connection, and its renewal before it expires.

use std::{future::pending, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep_until, timeout};

use crate::options::{TokenError, Tokens};

/// The minimum time between two requests for a token.
const MIN_INTERVAL: Duration = Duration::from_millis(500);

/// The token of a connection and its successor.
pub(crate) struct Renewal {
    tokens: Arc<Tokens>,
    time_limit: Duration,
    /// The last token that the service has accepted.
    token: String,
    /// A token that was sent and is not accepted yet.
    sent: Option<String>,
    /// The time of the next request for a token; none if a request would be of no use.
    due_at: Option<Instant>,
    pending: Option<BoxFuture<'static, Result<String, TokenError>>>,
}

impl Renewal {
    /// Starts with a token that expires after this time, if the service has sent one.
    pub(crate) fn new(tokens: Arc<Tokens>, time_limit: Duration, token: String, expires_in: Option<Duration>) -> Self {
        Self { tokens, time_limit, token, sent: None, due_at: expires_in.map(due), pending: None }
    }

    /// Returns the last token that the service has accepted.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Waits for a new token and returns it. Cancel-safe.
    pub(crate) async fn next(&mut self) -> String {
        loop {
            if let Some(pending) = &mut self.pending {
                let got = pending.await;
                self.pending = None;
                match got {
                    Ok(token) if token != self.token => {
                        self.sent = Some(token.clone());
                        return token;
                    }
                    // The source has no other token: the connection ends with this one.
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(%error, "cannot renew the token");
                        self.due_at = Some(Instant::now() + self.time_limit);
                    }
                }
            }
            match self.due_at {
                Some(due_at) => sleep_until(due_at).await,
                None => pending().await,
            }
            self.due_at = None;
            let (token, time_limit) = ((self.tokens)(), self.time_limit);
            self.pending = Some(Box::pin(async move {
                timeout(time_limit, token).await.unwrap_or_else(|_| Err("no answer in time".into()))
            }));
        }
    }

    /// Marks the last sent token as accepted by the service.
    pub(crate) fn accepted(&mut self, expires_in: Option<Duration>) {
        self.token = self.sent.take().unwrap_or_else(|| std::mem::take(&mut self.token));
        self.due_at = expires_in.map(due);
    }
}

/// Returns the time to renew a token: after three quarters of its lifetime.
fn due(expires_in: Duration) -> Instant {
    Instant::now() + (expires_in * 3 / 4).max(MIN_INTERVAL)
}
