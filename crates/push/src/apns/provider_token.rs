//! The token of the current hour. APNs refuses tokens older than one hour, and new ones more often than every 20
//! minutes.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hyper::header::HeaderValue;

use super::key::ApnsKey;
use crate::outcome::{Failure, SetupError};

/// The age at which a token is renewed.
const RENEW_AFTER: Duration = Duration::from_mins(40);

/// The shortest time between two renewals that APNs asked for. A clock that is wrong makes every token expired.
const FORCED_RENEWAL_INTERVAL: Duration = Duration::from_mins(20);

pub(super) struct ProviderToken {
    key: ApnsKey,
    current: Mutex<Current>,
}

struct Current {
    header: HeaderValue,
    made_at: Instant,
    forced_at: Option<Instant>,
}

impl ProviderToken {
    pub(super) fn new(key: ApnsKey, now: Instant) -> Result<Self, SetupError> {
        let header = sign(&key).map_err(|failure| SetupError::Credentials(failure.to_string()))?;
        Ok(Self { key, current: Mutex::new(Current { header, made_at: now, forced_at: None }) })
    }

    /// Returns the value of the header `authorization`, with a new token if the current one is old.
    pub(super) fn get(&self, now: Instant) -> Result<HeaderValue, Failure> {
        let mut current = self.current();
        if now.saturating_duration_since(current.made_at) >= RENEW_AFTER {
            current.header = sign(&self.key)?;
            current.made_at = now;
        }
        Ok(current.header.clone())
    }

    /// Returns another token than one that APNs calls expired. None if this happened before within 20 minutes.
    pub(super) fn after_expiry(&self, expired: &HeaderValue, now: Instant) -> Result<Option<HeaderValue>, Failure> {
        let mut current = self.current();
        if current.header != *expired {
            return Ok(Some(current.header.clone()));
        }
        if current.forced_at.is_some_and(|at| now.saturating_duration_since(at) < FORCED_RENEWAL_INTERVAL) {
            return Ok(None);
        }
        *current = Current { header: sign(&self.key)?, made_at: now, forced_at: Some(now) };
        Ok(Some(current.header.clone()))
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sign(key: &ApnsKey) -> Result<HeaderValue, Failure> {
    let unusable = || Failure::unauthorized("the key of APNs cannot sign");
    let token = key.sign().map_err(|_| unusable())?;
    let mut header = HeaderValue::try_from(format!("bearer {token}")).map_err(|_| unusable())?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use web_push_native::p256::{
        SecretKey,
        elliptic_curve::rand_core::OsRng,
        pkcs8::{EncodePrivateKey, LineEnding},
    };

    use super::*;

    #[test]
    fn a_token_lives_for_40_minutes_and_an_expired_one_is_renewed_once() {
        let pem = SecretKey::random(&mut OsRng).to_pkcs8_pem(LineEnding::LF).unwrap();
        let start = Instant::now();
        let minute = |minute| start + Duration::from_mins(minute);
        let token = ProviderToken::new(ApnsKey::from_pem(&pem, "KEY", "TEAM").unwrap(), start).unwrap();
        let first = token.get(minute(0)).unwrap();
        assert_eq!(token.get(minute(39)).unwrap(), first);
        // Signatures differ by their random part only if the claims do, so the times are compared too.
        token.get(minute(40)).unwrap();
        assert_eq!(token.current().made_at, minute(40));

        let current = token.get(minute(41)).unwrap();
        assert!(token.after_expiry(&current, minute(41)).unwrap().is_some());
        let renewed = token.get(minute(42)).unwrap();
        let (made_at, forced_at) = {
            let current = token.current();
            (current.made_at, current.forced_at)
        };
        assert_eq!((made_at, forced_at), (minute(41), Some(minute(41))));
        assert_eq!(token.after_expiry(&renewed, minute(60)).unwrap(), None);
        assert!(token.after_expiry(&renewed, minute(61)).unwrap().is_some());
        // Another caller has renewed the token in the meantime.
        let old = HeaderValue::from_static("bearer old");
        assert_eq!(token.after_expiry(&old, minute(62)).unwrap(), Some(token.get(minute(62)).unwrap()));
    }
}
