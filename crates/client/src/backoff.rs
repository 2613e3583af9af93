//! Delays between attempts to connect.

use std::time::Duration;

/// Full jitter: a random delay up to a limit that doubles with each failure, against simultaneous reconnects.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// Forgets earlier failures, after a connection that lasted.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Counts a failure. Returns the delay before the next attempt, in addition to the delay that the server asked for.
    pub(crate) fn next(&mut self, requested: Duration) -> Duration {
        let limit = self.first.saturating_mul(2_u32.saturating_pow(self.failures)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        requested + limit.mul_f64(rand::random())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_doubles_up_to_the_maximum_and_resets() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut backoff = Backoff::new(first, longest);
        for limit_ms in [100, 200, 400, 800, 1_000, 1_000] {
            assert!(backoff.next(Duration::ZERO) <= Duration::from_millis(limit_ms));
        }
        backoff.reset();
        assert!(backoff.next(Duration::ZERO) <= first);
        assert!(backoff.next(Duration::from_secs(5)) >= Duration::from_secs(5));
    }

    #[test]
    fn any_number_of_failures_is_handled() {
        let mut backoff =
            Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(20), failures: u32::MAX };
        assert!(backoff.next(Duration::ZERO) <= Duration::from_secs(20));
    }
}
