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
const REST: u32 = 3;

/// The longest rest.
const LONGEST_REST: Duration = Duration::from_secs(2);

/// Shared by the readers of one generation and its supervisor. Cheap to clone; has no limits at first.
#[derive(Debug, Clone)]
pub struct Throttle {
    settings: Arc<watch::Sender<Settings>>,
    next: Arc<Mutex<Instant>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Settings {
    held: bool,
    gives_way: bool,
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
    pub fn hold(&self, held: bool) {
        self.settings.send_modify(|settings| settings.held = held);
    }

    /// Sets low priority: most of the time is left to other work.
    pub fn give_way(&self, gives_way: bool) {
        self.settings.send_modify(|settings| settings.gives_way = gives_way);
    }

    /// Rests in proportion to the work, if the priority is low.
    pub(crate) async fn rest(&self, worked: Duration) {
        if self.settings.borrow().gives_way {
            rest(worked).await;
        }
    }

    /// Returns the limit of the next batch, at most `most` events: a low rate needs small batches.
    pub(crate) fn most_events(&self, most: usize) -> usize {
        let rate = self.settings.borrow().events_per_second;
        rate.map_or(most, |rate| usize::try_from(rate / SLICES_PER_SECOND).unwrap_or(most).clamp(1, most))
    }

    /// Waits until this many events may be projected.
    pub(crate) async fn pass(&self, events: usize) {
        let mut settings = self.settings.subscribe();
        // This value holds the sender, so the wait cannot fail.
        let _ = settings.wait_for(|settings| !settings.held).await;
        let rate = settings.borrow().events_per_second;
        let Some(rate) = rate else { return };
        let seconds = f64::from(u32::try_from(events).unwrap_or(u32::MAX)) / f64::from(rate.max(1));
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = (*next).max(Instant::now());
            *next = turn + Duration::from_secs_f64(seconds);
            turn
        };
        sleep_until(turn).await;
    }
}

/// Rests in proportion to the work.
pub(crate) async fn rest(worked: Duration) {
    sleep((worked * REST).min(LONGEST_REST)).await;
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_limit_applies_to_all_readers_together() {
        let throttle = Throttle::default();
        throttle.limit(Some(1000));
        assert_eq!((throttle.most_events(10_000), throttle.most_events(100)), (250, 100));
        let (start, other) = (Instant::now(), throttle.clone());
        for _ in 0..10 {
            throttle.pass(250).await;
            other.pass(250).await;
        }
        throttle.pass(1).await;
        assert_eq!(start.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_low_priority_reader_works_a_quarter_of_the_time() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        throttle.rest(Duration::from_millis(100)).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        throttle.give_way(true);
        throttle.rest(Duration::from_millis(100)).await;
        assert_eq!(start.elapsed(), Duration::from_millis(300));
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_reader_waits_until_it_is_resumed() {
        let throttle = Throttle::default();
        throttle.pass(1_000_000).await;
        throttle.hold(true);
        assert!(timeout(Duration::from_hours(1), throttle.pass(1)).await.is_err());
        let (waiting, passing) = (throttle.clone(), tokio::spawn(async move { throttle.pass(1).await }));
        waiting.hold(false);
        passing.await.unwrap();
    }
}
