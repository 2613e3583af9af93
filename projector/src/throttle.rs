//! Limits the rate of a rebuild to protect the live read model.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

/// The number of batches per second at a rate limit: small batches keep the pauses short.
const SLICES_PER_SECOND: u32 = 4;

/// The ratio of rest to work at low priority.
const REST_RATIO: u32 = 3;

/// The longest rest.
const MAX_REST: Duration = Duration::from_secs(2);

/// Shared by the readers of one generation and its supervisor. Cheap to clone; has no limits at first.
#[derive(Debug, Clone)]
pub struct Throttle {
    settings: Arc<watch::Sender<Settings>>,
    next: Arc<Mutex<Instant>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Settings {
    paused: bool,
    low_priority: bool,
    events_per_second: Option<u32>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { settings: Arc::new(watch::Sender::default()), next: Arc::new(Mutex::new(Instant::now())) }
    }
}

impl Throttle {
    /// Sets the maximum rate over all readers, in events per second; `None` removes the limit.
    pub fn limit(&self, events_per_second: Option<u32>) {
        self.settings.send_modify(|settings| settings.events_per_second = events_per_second);
    }

    /// Pauses the readers before their next batch, or resumes them.
    pub fn set_paused(&self, paused: bool) {
        self.settings.send_modify(|settings| settings.paused = paused);
    }

    /// Sets low priority: most of the time is left to other work.
    pub fn set_low_priority(&self, low_priority: bool) {
        self.settings.send_modify(|settings| settings.low_priority = low_priority);
    }

    /// Rests in proportion to the work, if the priority is low.
    pub(crate) async fn rest(&self, worked: Duration) {
        if self.settings.borrow().low_priority {
            rest(worked).await;
        }
    }

    /// Returns the limit of the next batch, at most `max` events: a low rate needs small batches.
    pub(crate) fn batch_limit(&self, max: usize) -> usize {
        let rate = self.settings.borrow().events_per_second;
        rate.map_or(max, |rate| usize::try_from(rate / SLICES_PER_SECOND).unwrap_or(max).clamp(1, max))
    }

    /// Waits until this many events may be projected.
    pub(crate) async fn acquire(&self, events: usize) {
        let mut settings = self.settings.subscribe();
        // This value holds the sender, so the wait cannot fail.
        let _ = settings.wait_for(|settings| !settings.paused).await;
        let rate = settings.borrow().events_per_second;
        let Some(rate) = rate else { return };
        let seconds = f64::from(u32::try_from(events).unwrap_or(u32::MAX)) / f64::from(rate.max(1));
        let start = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let start = (*next).max(Instant::now());
            *next = start + Duration::from_secs_f64(seconds);
            start
        };
        sleep_until(start).await;
    }
}

/// Rests in proportion to the work.
pub(crate) async fn rest(worked: Duration) {
    sleep((worked * REST_RATIO).min(MAX_REST)).await;
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_limit_applies_to_all_readers_together() {
        let throttle = Throttle::default();
        throttle.limit(Some(1000));
        assert_eq!((throttle.batch_limit(10_000), throttle.batch_limit(100)), (250, 100));
        let (start, other) = (Instant::now(), throttle.clone());
        for _ in 0..10 {
            throttle.acquire(250).await;
            other.acquire(250).await;
        }
        throttle.acquire(1).await;
        assert_eq!(start.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_low_priority_reader_works_a_quarter_of_the_time() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        throttle.rest(Duration::from_millis(100)).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        throttle.set_low_priority(true);
        throttle.rest(Duration::from_millis(100)).await;
        assert_eq!(start.elapsed(), Duration::from_millis(300));
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_reader_waits_until_it_is_resumed() {
        let throttle = Throttle::default();
        throttle.acquire(1_000_000).await;
        throttle.set_paused(true);
        assert!(timeout(Duration::from_hours(1), throttle.acquire(1)).await.is_err());
        let (waiting, passing) = (throttle.clone(), tokio::spawn(async move { throttle.acquire(1).await }));
        waiting.set_paused(false);
        passing.await.unwrap();
    }
}
