//! Limits how many calls to one server run at a time, and pauses them while it fails: to a push provider, or to the
//! receiver of a webhook.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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

/// The wait while another task has reserved all calls, or what is due is not within other limits.
pub(crate) const RESERVED_WAIT: Duration = Duration::from_millis(100);

/// The gate to one server, for all streams of the process.
#[derive(Debug)]
pub(crate) struct Gate {
    max_pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The maximum number of calls at a time.
    concurrency: usize,
    /// Calls that have begun, and those that may begin at any moment.
    running: usize,
    reserved: usize,
    failures: u32,
    /// After a failure of the server: no call before, and one at a time until one succeeds.
    paused_until: Option<Instant>,
}

/// The right to begin some calls. What is not used is given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    gate: Arc<Gate>,
    calls: usize,
}

/// A call that has begun. Dropped without a result, it shows nothing about the server.
#[derive(Debug)]
pub(crate) struct Call(Option<Arc<Gate>>);

/// The health of a server as a call has shown it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It has answered, whatever the answer.
    Working,
    /// It has not answered, or not usefully.
    Failing,
    /// It asks for a pause, or rejects the credentials.
    Pausing(Duration),
    /// It was not called.
    Unknown,
}

impl Gate {
    pub(crate) fn new(concurrency: usize, max_pause: Duration) -> Self {
        Self { max_pause, state: Mutex::new(State { concurrency, ..State::default() }) }
    }

    /// Changes the maximum number of calls at a time.
    pub(crate) fn set_concurrency(&self, concurrency: usize) {
        self.state().concurrency = concurrency;
    }

    /// Reserves all calls that may begin.
    pub(crate) fn reserve(self: &Arc<Self>) -> Reservation {
        let mut state = self.state();
        let calls = match state.paused_until {
            Some(until) if Instant::now() < until => 0,
            _ => state.limit().saturating_sub(state.running + state.reserved),
        };
        state.reserved += calls;
        Reservation { gate: Arc::clone(self), calls }
    }

    /// Ends one call.
    fn finish(&self, health: Health) {
        let mut state = self.state();
        state.running = state.running.saturating_sub(1);
        let is_paused = state.paused_until.is_some_and(|until| Instant::now() < until);
        match health {
            Health::Working => {
                state.failures = 0;
                // A call that began before the pause does not end it.
                if !is_paused {
                    state.paused_until = None;
                }
            }
            // One broken connection fails all calls on it: they count once.
            Health::Failing if is_paused => {}
            Health::Failing => {
                state.failures += 1;
                if state.failures >= MAX_FAILURES {
                    let pause = backoff(state.failures - MAX_FAILURES, MIN_PAUSE, self.max_pause);
                    state.pause(pause);
                }
            }
            Health::Pausing(pause) => state.pause(pause.clamp(MIN_PAUSE, Duration::from_hours(1))),
            Health::Unknown => {}
        }
    }

    /// Returns the time until a call may begin, given when it is due. None while the end of a call is what to wait for.
    pub(crate) fn wait(&self, due: Duration) -> Option<Duration> {
        let state = self.state();
        let pause = state.paused_until.map(|until| until.saturating_duration_since(Instant::now()));
        if let Some(pause) = pause.filter(|pause| !pause.is_zero()) {
            return Some(due.max(pause));
        }
        let limit = state.limit();
        if state.running >= limit {
            None
        } else if state.running + state.reserved >= limit {
            // Reserved calls that do not begin wake nothing.
            Some(due.max(RESERVED_WAIT))
        } else {
            Some(due)
        }
    }

    /// Returns true if no call may begin now because of a pause.
    pub(crate) fn is_paused(&self) -> bool {
        self.state().paused_until.is_some_and(|until| Instant::now() < until)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// The number of calls that may still begin.
    pub(crate) fn calls(&self) -> usize {
        self.calls
    }

    /// Begins one call. Returns none if all have begun.
    pub(crate) fn begin(&mut self) -> Option<Call> {
        self.calls = self.calls.checked_sub(1)?;
        let mut state = self.gate.state();
        state.reserved = state.reserved.saturating_sub(1);
        state.running += 1;
        drop(state);
        Some(Call(Some(Arc::clone(&self.gate))))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        state.reserved = state.reserved.saturating_sub(self.calls);
    }
}

impl Call {
    /// Ends the call with what it has shown.
    pub(crate) fn finish(mut self, health: Health) {
        if let Some(gate) = self.0.take() {
            gate.finish(health);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(gate) = self.0.take() {
            gate.finish(Health::Unknown);
        }
    }
}

impl State {
    fn limit(&self) -> usize {
        if self.paused_until.is_some() { 1 } else { self.concurrency }
    }

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

    fn gate(concurrency: usize) -> Arc<Gate> {
        Arc::new(Gate::new(concurrency, MAX_PAUSE))
    }

    fn call(gate: &Arc<Gate>) -> Option<Call> {
        gate.reserve().begin()
    }

    #[test]
    fn calls_are_limited_and_given_back() {
        let gate = gate(3);
        let (first, second) = (call(&gate).unwrap(), call(&gate).unwrap());
        let reservation = gate.reserve();
        assert_eq!((reservation.calls(), gate.reserve().calls()), (1, 0));
        assert_eq!(gate.wait(Duration::ZERO), Some(RESERVED_WAIT));
        drop(reservation);
        let third = call(&gate).unwrap();
        assert_eq!(gate.reserve().calls(), 0);
        assert_eq!(gate.wait(Duration::ZERO), None);
        first.finish(Health::Working);
        drop((second, third));
        assert_eq!(gate.reserve().calls(), 3);
        assert_eq!(gate.wait(Duration::ZERO), Some(Duration::ZERO));
    }

    #[tokio::test]
    async fn a_failing_provider_is_tried_once_after_a_pause() {
        pause_clock();
        let gate = gate(10);
        let calls: Vec<Call> = (0..MAX_FAILURES + 3).filter_map(|_| call(&gate)).collect();
        for call in calls {
            call.finish(Health::Failing);
        }
        assert!(call(&gate).is_none() && gate.is_paused());
        advance(MIN_PAUSE).await;
        let probe = call(&gate).unwrap();
        assert!(call(&gate).is_none());
        probe.finish(Health::Unknown);
        let probe = call(&gate).unwrap();
        assert!(call(&gate).is_none(), "what was not called shows nothing");
        probe.finish(Health::Failing);
        assert!(gate.is_paused());
        advance(2 * MIN_PAUSE).await;
        call(&gate).unwrap().finish(Health::Working);
        assert_eq!(gate.reserve().calls(), 10);
    }

    #[tokio::test]
    async fn a_provider_may_ask_for_a_pause() {
        pause_clock();
        let gate = gate(10);
        let (first, second) = (call(&gate).unwrap(), call(&gate).unwrap());
        first.finish(Health::Pausing(Duration::from_secs(30)));
        second.finish(Health::Working);
        assert!(call(&gate).is_none());
        assert!(gate.wait(Duration::ZERO).is_some_and(|wait| wait > Duration::from_secs(29)));
        advance(Duration::from_secs(30)).await;
        assert_eq!(gate.reserve().calls(), 1);
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
