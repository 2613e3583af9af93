//! Limits how many calls to one server run at a time, and pauses them while it fails: to a push provider, or to the
//! receiver of a webhook.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand::RngExt;
use tokio::time::Instant;

/// The number of failures in a row after which calls pause.
const MAX_FAILURES: u32 = 5;

/// The first pause; each further one is twice as long.
const MIN_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause of calls to a push provider.
pub(crate) const MAX_PAUSE: Duration = Duration::from_mins(1);

/// The gate to one server, for all streams of the process.
#[derive(Debug)]
pub(crate) struct Gate {
    concurrency: usize,
    max_pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    failures: u32,
    /// After a failure of the server: no call before, and one at a time until one succeeds.
    paused_until: Option<Instant>,
}

/// The health of a server as a call has shown it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It has answered, whatever the answer.
    Working,
    /// It has not answered, or not usefully.
    Failing,
    /// It asks for a pause, or rejects the credentials.
    Pausing(Duration),
}

impl Gate {
    pub(crate) fn new(concurrency: usize, max_pause: Duration) -> Self {
        Self { concurrency, max_pause, state: Mutex::default() }
    }

    /// Reserves calls, at most so many. Returns the number that may begin.
    pub(crate) fn reserve(&self, wanted: usize) -> usize {
        let mut state = self.state();
        let limit = match state.paused_until {
            Some(until) if Instant::now() < until => 0,
            Some(_) => 1,
            None => self.concurrency,
        };
        let reserved = limit.saturating_sub(state.running).min(wanted);
        state.running += reserved;
        reserved
    }

    /// Gives back calls that did not begin.
    pub(crate) fn cancel(&self, calls: usize) {
        let mut state = self.state();
        state.running = state.running.saturating_sub(calls);
    }

    /// Ends one call.
    pub(crate) fn finish(&self, health: Health) {
        let mut state = self.state();
        state.running = state.running.saturating_sub(1);
        match health {
            Health::Working => {
                state.failures = 0;
                // A call that began before the pause does not end it.
                state.paused_until = state.paused_until.filter(|until| Instant::now() < *until);
            }
            Health::Failing => {
                state.failures += 1;
                if state.failures >= MAX_FAILURES {
                    let pause = backoff(state.failures - MAX_FAILURES, MIN_PAUSE, self.max_pause);
                    state.pause(pause);
                }
            }
            Health::Pausing(pause) => state.pause(pause.clamp(MIN_PAUSE, Duration::from_hours(1))),
        }
    }

    /// Returns true if no further call may begin before another one ends.
    pub(crate) fn is_full(&self) -> bool {
        let state = self.state();
        let limit = if state.paused_until.is_some() { 1 } else { self.concurrency };
        state.running >= limit
    }

    /// Returns the time until calls may begin again, or none if they may now. While the only call after a pause runs,
    /// its end is what to wait for.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let until = self.state().paused_until?;
        Some(until.saturating_duration_since(Instant::now())).filter(|pause| !pause.is_zero())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Extends the pause. Calls that began before it must not shorten it.
    fn pause(&mut self, pause: Duration) {
        let until = Instant::now() + pause;
        self.paused_until = Some(self.paused_until.map_or(until, |former| former.max(until)));
    }
}

/// Returns a random time between half of `min` doubled so many times, and all of it. It is at most `max`.
pub(crate) fn backoff(doublings: u32, min: Duration, max: Duration) -> Duration {
    let longest = min.saturating_mul(2_u32.saturating_pow(doublings.min(30))).min(max);
    longest.mul_f64(rand::rng().random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, pause as pause_clock};

    use super::*;

    #[test]
    fn calls_are_limited() {
        let gate = Gate::new(3, MAX_PAUSE);
        assert_eq!((gate.reserve(2), gate.reserve(5), gate.reserve(1)), (2, 1, 0));
        gate.finish(Health::Working);
        gate.cancel(1);
        assert_eq!(gate.reserve(9), 2);
    }

    #[tokio::test]
    async fn a_failing_provider_is_tried_once_after_a_pause() {
        pause_clock();
        let gate = Gate::new(10, MAX_PAUSE);
        for _ in 0..MAX_FAILURES {
            assert_eq!(gate.reserve(1), 1);
            gate.finish(Health::Failing);
        }
        assert_eq!(gate.reserve(10), 0);
        assert!(gate.pause().is_some_and(|pause| pause <= MIN_PAUSE));
        advance(MIN_PAUSE).await;
        assert_eq!((gate.reserve(10), gate.reserve(10)), (1, 0));
        gate.finish(Health::Failing);
        assert!(gate.pause().is_some_and(|pause| pause > MIN_PAUSE / 2));
        advance(2 * MIN_PAUSE).await;
        assert_eq!(gate.reserve(10), 1);
        gate.finish(Health::Working);
        assert_eq!(gate.reserve(20), 10);
    }

    #[tokio::test]
    async fn a_provider_may_ask_for_a_pause() {
        pause_clock();
        let gate = Gate::new(10, MAX_PAUSE);
        assert_eq!(gate.reserve(2), 2);
        gate.finish(Health::Pausing(Duration::from_secs(30)));
        gate.finish(Health::Failing);
        assert_eq!(gate.reserve(1), 0);
        advance(Duration::from_secs(30)).await;
        assert_eq!(gate.reserve(2), 1);
    }

    #[test]
    fn back_off_grows_to_its_limit() {
        let (min, max) = (Duration::from_secs(1), Duration::from_mins(1));
        for (doublings, longest) in [(0, 1), (3, 8), (6, 60), (100, 60)] {
            let (pause, longest) = (backoff(doublings, min, max), Duration::from_secs(longest));
            assert!(longest / 2 <= pause && pause <= longest, "{doublings}: {pause:?}");
        }
    }
}
