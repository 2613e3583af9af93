//! How fast a generation is built: what its tracks in this process may take, all together.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep, sleep_until};

use crate::generation::Pace;

/// A low-priority track rests this many times as long as it has worked.
const REST: u32 = 3;

/// The longest rest.
const LONGEST_REST: Duration = Duration::from_secs(2);

/// What is paid for events at a rate. Shared by the tracks of a generation in this process.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// When everything that was taken so far is paid for.
    due: Mutex<Instant>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { due: Mutex::new(Instant::now()) }
    }
}

/// How fast the tracks of a generation in this process may go.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Allowance {
    /// The most events a second, all of them together.
    rate: Option<f64>,
    low_priority: bool,
}

impl Allowance {
    /// The share of so many tracks of all the generation's tracks.
    pub(crate) fn share(pace: Pace, tracks: usize, of: usize) -> Self {
        let portion = f64::from(u32::try_from(tracks).unwrap_or(1)) / f64::from(u32::try_from(of.max(1)).unwrap_or(1));
        Self { rate: pace.max_rate.map(|rate| (f64::from(rate) * portion).max(1.0)), low_priority: pace.low_priority }
    }

    /// The most events of a batch, so that a slow track still moves several times a second.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
    pub(crate) fn batch(self) -> Option<usize> {
        self.rate.map(|rate| (rate / 8.0).clamp(1.0, 2000.0) as usize)
    }
}

impl Throttle {
    /// Waits until these events, which took this long, are paid for.
    pub(crate) async fn pay(&self, events: u64, took: Duration, allowance: Allowance) {
        if events == 0 {
            return;
        }
        if let Some(rate) = allowance.rate {
            let price = Duration::from_secs_f64(f64::from(u32::try_from(events).unwrap_or(u32::MAX)) / rate);
            sleep_until(self.charge(price)).await;
        }
        if allowance.low_priority {
            sleep((took * REST).min(LONGEST_REST)).await;
        }
    }

    fn charge(&self, price: Duration) -> Instant {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        *due = (*due).max(Instant::now()) + price;
        *due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(max_rate: u32) -> Pace {
        Pace { max_rate: Some(max_rate), low_priority: false }
    }

    #[tokio::test]
    async fn tracks_that_share_an_allowance_stay_within_it_together() {
        let (throttle, allowance) = (Throttle::default(), Allowance::share(limited(2_000), 2, 2));
        let begin = Instant::now();
        let track = async || {
            for _ in 0..5 {
                throttle.pay(100, Duration::ZERO, allowance).await;
            }
        };
        tokio::join!(track(), track());
        let took = begin.elapsed();
        assert!(took >= Duration::from_millis(490) && took < Duration::from_millis(900), "{took:?}");
    }

    #[test]
    fn a_process_gets_the_share_of_its_tracks_and_takes_it_in_small_batches() {
        assert_eq!(Allowance::share(limited(800), 1, 4).rate, Some(200.0));
        assert_eq!(Allowance::share(limited(800), 1, 4).batch(), Some(25));
        assert_eq!(Allowance::share(limited(1), 1, 4).batch(), Some(1));
        assert_eq!(Allowance::share(Pace::default(), 1, 4).batch(), None);
    }
}
