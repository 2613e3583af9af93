//! Access tokens (OAuth 2.0, RFC 7523): one is kept, and one caller at a time renews it.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use hyper::{Request, Uri, header, header::HeaderValue};
use serde::Deserialize;
use tokio::sync::{Mutex, MutexGuard};

use super::service_account::ServiceAccount;
use crate::{
    outbound::{Client, Response},
    outcome::{Failure, SetupError},
};

/// The time before the end of a token's life from which on it is renewed.
const RENEW_BEFORE: Duration = Duration::from_mins(5);

/// The pause after a failed renewal of a token that is still usable.
const EARLY_RENEWAL_PAUSE: Duration = Duration::from_secs(10);

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
    current: RwLock<Option<Arc<AccessToken>>>,
    /// The last failed renewal. Locked during a renewal.
    failed: Mutex<Option<Failed>>,
}

/// A failed renewal.
struct Failed {
    at: Instant,
    failure: Failure,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

#[derive(Deserialize, Default)]
struct Refused {
    #[serde(default)]
    error: String,
}

impl AccessTokens {
    pub(super) fn new(client: Client, account: ServiceAccount) -> Result<Arc<Self>, SetupError> {
        let token_uri = SetupError::check_address(account.token_uri())?;
        Ok(Arc::new(Self { client, account, token_uri, current: RwLock::default(), failed: Mutex::default() }))
    }

    /// Returns a token. The first caller that finds one near its end begins its renewal, and all callers use it until
    /// then.
    pub(super) async fn get(self: &Arc<Self>) -> Result<Arc<AccessToken>, Failure> {
        let now = Instant::now();
        let Some(current) = self.usable(now, None) else { return self.wait(now, None).await };
        if now >= current.renew_at {
            tokio::spawn(self.clone().renew_early());
        }
        Ok(current)
    }

    /// Renews a token that is still usable, unless another caller does or has just failed. It is a task of its own, so
    /// a token endpoint that hangs delays no message.
    async fn renew_early(self: Arc<Self>) {
        let Ok(failed) = self.failed.try_lock() else { return };
        let now = Instant::now();
        let is_due = self.usable(now, None).is_none_or(|current| now >= current.renew_at);
        let has_paused = failed.as_ref().is_none_or(|failed| now >= failed.at + EARLY_RENEWAL_PAUSE);
        if is_due
            && has_paused
            && let Err(failure) = self.renew(failed).await
        {
            tracing::warn!(error = %failure, "an access token of FCM could not be renewed early");
        }
    }

    /// Returns another token than one that was rejected.
    pub(super) async fn after_rejection(&self, rejected: &Arc<AccessToken>) -> Result<Arc<AccessToken>, Failure> {
        let now = Instant::now();
        match self.usable(now, Some(rejected)) {
            Some(current) => Ok(current),
            None => self.wait(now, Some(rejected)).await,
        }
    }

    /// Renews the token, or waits for another caller that renews it, and shares its result.
    async fn wait(&self, since: Instant, rejected: Option<&Arc<AccessToken>>) -> Result<Arc<AccessToken>, Failure> {
        let failed = self.failed.lock().await;
        if let Some(current) = self.usable(Instant::now(), rejected) {
            return Ok(current);
        }
        match &*failed {
            Some(Failed { at, failure }) if *at >= since => Err(failure.clone()),
            _ => self.renew(failed).await,
        }
    }

    fn usable(&self, now: Instant, rejected: Option<&Arc<AccessToken>>) -> Option<Arc<AccessToken>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        let is_rejected = rejected.is_some_and(|rejected| Arc::ptr_eq(rejected, &current));
        (now < current.expires_at && !is_rejected).then_some(current)
    }

    async fn renew(&self, mut failed: MutexGuard<'_, Option<Failed>>) -> Result<Arc<AccessToken>, Failure> {
        match self.request().await {
            Ok(token) => {
                let token = Arc::new(token);
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
                Ok(token)
            }
            Err(failure) => {
                *failed = Some(Failed { at: Instant::now(), failure: failure.clone() });
                Err(failure)
            }
        }
    }

    async fn request(&self) -> Result<AccessToken, Failure> {
        let unusable = |error: &dyn std::error::Error| Failure::unauthorized(format!("the service account: {error}"));
        let assertion = self.account.assertion().map_err(|error| unusable(&error))?;
        let request = Request::post(self.token_uri.clone())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(format!("grant_type={GRANT}&assertion={assertion}").into())
            .map_err(|error| unusable(&error))?;
        // The lifetime counts from the request, so it ends too early rather than too late.
        let asked = Instant::now();
        granted(&self.client.send(request).await?, asked)
    }
}

/// Returns the token of a response, or the failure. A refused request is a matter of the account.
fn granted(response: &Response, asked: Instant) -> Result<AccessToken, Failure> {
    if !response.status.is_success() {
        let refused: Refused = serde_json::from_slice(&response.body).unwrap_or_default();
        return Err(match Failure::of(response, &refused.error) {
            Failure::Rejected { detail } | Failure::Unauthorized { detail } => {
                Failure::unauthorized(format!("the service account: {detail}"))
            }
            failure => failure,
        });
    }
    let unreadable = || Failure::Unavailable {
        retry_after: None,
        detail: "the response of the token endpoint is not a token".to_owned(),
    };
    let granted: Granted = serde_json::from_slice(&response.body).map_err(|_| unreadable())?;
    let mut header = HeaderValue::try_from(format!("Bearer {}", granted.access_token)).map_err(|_| unreadable())?;
    header.set_sensitive(true);
    // A day at most, so that the sum is a time.
    let lifetime = Duration::from_secs(granted.expires_in).min(Duration::from_hours(24));
    let renew_after = lifetime.saturating_sub(RENEW_BEFORE).max(lifetime / 2);
    Ok(AccessToken { header, renew_at: asked + renew_after, expires_at: asked + lifetime })
}
