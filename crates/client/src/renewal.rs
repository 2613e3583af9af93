//! The token of a connection, and another one before it expires.

use std::{future::pending, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep_until, timeout};

use crate::options::{TokenError, Tokens};

/// The least time between two requests for a token.
const SOONEST: Duration = Duration::from_millis(500);

/// The token that a connection is good with, and the next one.
pub(crate) struct Renewal {
    tokens: Arc<Tokens>,
    patience: Duration,
    /// The last token that the service has accepted.
    token: String,
    /// One that was shown, and is not accepted yet.
    shown: Option<String>,
    /// When another one is to be got; none if there is no use in it.
    due_at: Option<Instant>,
    asked: Option<BoxFuture<'static, Result<String, TokenError>>>,
}

impl Renewal {
    /// For a token that expires after this time, if the service has said so.
    pub(crate) fn new(tokens: Arc<Tokens>, patience: Duration, token: String, expires_in: Option<Duration>) -> Self {
        Self { tokens, patience, token, shown: None, due_at: expires_in.map(due), asked: None }
    }

    /// The last token that was good.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Waits until another token is there. Safe to cancel.
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
                    // there is no other one: the connection ends with this one
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(%error, "no newer token");
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
                timeout(patience, token).await.unwrap_or_else(|_| Err("none came in time".into()))
            }));
        }
    }

    /// The service has accepted what it was shown last.
    pub(crate) fn accepted(&mut self, expires_in: Option<Duration>) {
        self.token = self.shown.take().unwrap_or_else(|| std::mem::take(&mut self.token));
        self.due_at = expires_in.map(due);
    }
}

/// A good while before the token expires, however long it is good.
fn due(expires_in: Duration) -> Instant {
    Instant::now() + (expires_in * 3 / 4).max(SOONEST)
}
