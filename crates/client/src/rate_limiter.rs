//! The client's own rate limit, which stays below the server's.

use std::time::Duration;

use tokio::time::Instant;

/// The number of requests that may be sent at once after a pause.
const BURST: u32 = 40;

/// The time between two requests at the sustained rate.
const INTERVAL: Duration = Duration::from_millis(64);

/// A token bucket of requests.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    /// The time at which the bucket is full again.
    full_at: Instant,
}

impl RateLimiter {
    pub(crate) fn new() -> Self {
        Self { full_at: Instant::now() }
    }

    /// Takes one request. If there is none, returns the time of the next one.
    pub(crate) fn take(&mut self) -> Result<(), Instant> {
        let now = Instant::now();
        let full_at = self.full_at.max(now) + INTERVAL;
        let allowed_at = full_at - INTERVAL * BURST;
        if allowed_at > now {
            return Err(allowed_at);
        }
        self.full_at = full_at;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_followed_by_a_steady_rate() {
        let mut rate_limiter = RateLimiter::new();
        let burst = (0..100).take_while(|_| rate_limiter.take().is_ok()).count();
        assert_eq!(burst, BURST as usize);
        let next = rate_limiter.take().unwrap_err();
        assert!(next.saturating_duration_since(Instant::now()) <= INTERVAL);
    }
}
