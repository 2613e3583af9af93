//! How fast a client may ask, so that it never has to be told.

use std::time::Duration;

use tokio::time::Instant;

/// How many requests may go out at once after a pause.
const BURST: u32 = 40;

/// One more request every so often.
const INTERVAL: Duration = Duration::from_millis(64);

/// A bucket of requests that fills up again.
#[derive(Debug)]
pub(crate) struct Pace {
    /// When the bucket will be full.
    full_at: Instant,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self { full_at: Instant::now() }
    }

    /// Takes one request; if there is none, says when there will be.
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
    fn a_burst_is_followed_by_a_steady_trickle() {
        let mut pace = Pace::new();
        let burst = (0..100).take_while(|_| pace.take().is_ok()).count();
        assert_eq!(burst, BURST as usize);
        let next = pace.take().unwrap_err();
        assert!(next.saturating_duration_since(Instant::now()) <= INTERVAL);
    }
}
