//! Access tokens (OAuth 2.0, RFC 7523): one is kept, and one task at a time renews it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hyper::{Request, Uri, header, header::HeaderValue};
use serde::Deserialize;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::service_account::ServiceAccount;
use crate::{
    outbound::{Client, Response},
    outcome::{Failure, MIN_RETRY_AFTER, Scope, SetupError},
};

/// The time before the end of a token's life from which on it is renewed.
const RENEW_BEFORE: Duration = Duration::from_mins(5);

/// The pause after the first failed renewal, doubled by each further one.
const MIN_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between failed renewals, unless the token endpoint asks for a longer one.
const MAX_PAUSE: Duration = Duration::from_mins(1);

/// The grant of a signed request (RFC 7523), encoded for a form.
const GRANT: &str = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";

/// A token, with the times of its life.
pub(super) struct AccessToken {
    header: HeaderValue,
    renew_at: Instant,
    expires_at: Instant,
}

impl AccessToken {
    /// The value of the header `authorization`.
    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

/// The source of access tokens of one account.
pub(super) struct AccessTokens {
    client: Client,
    account: ServiceAccount,
    token_uri: Uri,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Arc<AccessToken>>,
    /// The last renewal, if it failed.
    failed: Option<FailedRenewal>,
    /// The last renewal that was started.
    renewal: Option<Renewal>,
}

/// The result of a renewal, once there is one.
type Renewal = watch::Receiver<Option<Result<Arc<AccessToken>, Failure>>>;

struct FailedRenewal {
    failure: Failure,
    pause: Duration,
    retry_at: Instant,
}

#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    expires_in: u64,
}

#[derive(Deserialize, Default)]
struct ErrorResponse {
    #[serde(default)]
    error: String,
}

impl AccessTokens {
    pub(super) fn new(client: Client, account: ServiceAccount) -> Result<Arc<Self>, SetupError> {
        let token_uri = SetupError::parse_address(account.token_uri())?;
        Ok(Arc::new(Self { client, account, token_uri, state: Mutex::default() }))
    }

    /// Returns a token. The first caller that finds it near its end starts a renewal. All callers use it until then.
    ///
    /// Without a token, callers wait for the renewal until the deadline. After a failed renewal they get its failure at
    /// once: only the caller that starts the next one, after a pause, waits for it.
    pub(super) async fn get(self: &Arc<Self>, deadline: Instant) -> Result<Arc<AccessToken>, Failure> {
        let renewal = {
            let mut state = self.state();
            let now = Instant::now();
            let failure = state.failure(now);
            match state.current.clone().filter(|token| now < token.expires_at) {
                Some(token) => {
                    if now >= token.renew_at && failure.is_none() {
                        self.renew(&mut state);
                    }
                    return Ok(token);
                }
                None => match failure {
                    Some(failure) => return Err(failure),
                    None => self.renew(&mut state),
                },
            }
        };
        timeout_at(deadline, result(renewal)).await.unwrap_or_else(|_| {
            let failure = Failure::from_request(self.client.timed_out(), Scope::Service);
            Err(with_retry_after(failure, MIN_RETRY_AFTER))
        })
    }

    /// Removes a token that was rejected, so that the next caller renews it.
    pub(super) fn remove(&self, rejected: &Arc<AccessToken>) {
        let mut state = self.state();
        state.current.take_if(|current| Arc::ptr_eq(current, rejected));
    }

    /// Starts a renewal, or returns the one that runs. It is a task of its own, so a caller that is dropped does not
    /// end it.
    fn renew(self: &Arc<Self>, state: &mut State) -> Renewal {
        if let Some(renewal) = state.running() {
            return renewal.clone();
        }
        let (sender, renewal) = watch::channel(None);
        state.renewal = Some(renewal.clone());
        let tokens = self.clone();
        tokio::spawn(async move {
            let result = tokens.request().await;
            let mut state = tokens.state();
            let result = state.finish(result.map(Arc::new), Instant::now());
            // Without callers that wait, the result is in the state.
            let _ = sender.send(Some(result));
        });
        renewal
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn request(&self) -> Result<AccessToken, Failure> {
        let unusable = |error: &dyn std::error::Error| Failure::unauthorized(format!("the service account: {error}"));
        let assertion = self.account.assertion().map_err(|error| unusable(&error))?;
        let request = Request::post(self.token_uri.clone())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(format!("grant_type={GRANT}&assertion={assertion}").into())
            .map_err(|error| unusable(&error))?;
        // The lifetime counts from the request, so it ends too early rather than too late.
        let requested_at = Instant::now();
        let response = self.client.send(request).await;
        parse(&response.map_err(|error| Failure::from_request(error, Scope::Service))?, requested_at)
    }
}

impl State {
    /// Returns the renewal that runs. One whose task has panicked does not.
    fn running(&self) -> Option<&Renewal> {
        self.renewal.as_ref().filter(|renewal| renewal.has_changed().is_ok() && renewal.borrow().is_none())
    }

    /// Returns the failure of the last renewal, if a caller must not start or await another one now.
    fn failure(&self, now: Instant) -> Option<Failure> {
        let FailedRenewal { failure, retry_at, .. } = self.failed.as_ref()?;
        let remaining = retry_at.saturating_duration_since(now);
        let is_paused = !remaining.is_zero() || self.running().is_some();
        is_paused.then(|| with_retry_after(failure.clone(), remaining.max(MIN_RETRY_AFTER)))
    }

    /// Stores the result of a renewal, and returns it for the callers that wait.
    fn finish(&mut self, result: Result<Arc<AccessToken>, Failure>, now: Instant) -> Result<Arc<AccessToken>, Failure> {
        match result {
            Ok(token) => {
                self.current = Some(token.clone());
                self.failed = None;
                Ok(token)
            }
            Err(failure) => {
                let doubled = self.failed.as_ref().map_or(MIN_PAUSE, |failed| failed.pause * 2);
                let pause = doubled.min(MAX_PAUSE);
                let wait = retry_after(&failure).unwrap_or_default().max(pause);
                let failure = with_retry_after(failure, wait);
                tracing::warn!(error = %failure, pause_ms = wait.as_millis(), "cannot renew the access token of FCM");
                self.failed = Some(FailedRenewal { failure: failure.clone(), pause, retry_at: now + wait });
                Err(failure)
            }
        }
    }
}

/// Waits for the result of a renewal.
async fn result(mut renewal: Renewal) -> Result<Arc<AccessToken>, Failure> {
    let result = renewal.wait_for(Option::is_some).await.ok().and_then(|result| result.clone());
    result.unwrap_or_else(|| Err(unavailable("the renewal of the access token was aborted")))
}

fn unavailable(detail: &str) -> Failure {
    Failure::Unavailable { retry_after: Some(MIN_RETRY_AFTER), scope: Scope::Service, detail: detail.to_owned() }
}

fn retry_after(failure: &Failure) -> Option<Duration> {
    match failure {
        Failure::Throttled { retry_after, .. } | Failure::Unavailable { retry_after, .. } => *retry_after,
        Failure::Gone { .. } | Failure::Rejected { .. } | Failure::Unauthorized { .. } => None,
    }
}

/// Returns a temporary failure with another pause.
fn with_retry_after(mut failure: Failure, pause: Duration) -> Failure {
    match &mut failure {
        Failure::Throttled { retry_after, .. } | Failure::Unavailable { retry_after, .. } => *retry_after = Some(pause),
        Failure::Gone { .. } | Failure::Rejected { .. } | Failure::Unauthorized { .. } => {}
    }
    failure
}

/// Returns the token of a response, or the failure. A rejected request is a matter of the account.
fn parse(response: &Response, requested_at: Instant) -> Result<AccessToken, Failure> {
    if !response.status.is_success() {
        let ErrorResponse { error } = serde_json::from_slice(&response.body).unwrap_or_default();
        return Err(match Failure::from_response(response, &error, Scope::Service) {
            Failure::Rejected { detail } | Failure::Unauthorized { detail, .. } => {
                Failure::unauthorized(format!("the service account: {detail}"))
            }
            failure => failure,
        });
    }
    let invalid = || unavailable("the response of the token endpoint is not a token");
    let token: TokenResponse = serde_json::from_slice(&response.body).map_err(|_| invalid())?;
    let mut header = HeaderValue::try_from(format!("Bearer {}", token.access_token)).map_err(|_| invalid())?;
    header.set_sensitive(true);
    // A day at most, so that the sum is a time.
    let lifetime = Duration::from_secs(token.expires_in).min(Duration::from_hours(24));
    let renew_after = lifetime.saturating_sub(RENEW_BEFORE).max(lifetime / 2);
    Ok(AccessToken { header, renew_at: requested_at + renew_after, expires_at: requested_at + lifetime })
}
