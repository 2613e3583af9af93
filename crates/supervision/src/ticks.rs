//! Common times at which background tasks look for changes. Tasks that wake together cost an idle process one wake-up,
//! and processes that ask together cost an idle server one wake-up.

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

/// The beginning of a minute of the clock, which is about the same for all processes.
static ORIGIN: LazyLock<Instant> = LazyLock::new(|| {
    let (now, clock) = (Instant::now(), SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default());
    let of_minute = Duration::from_nanos(u64::try_from(clock.as_nanos() % 60_000_000_000).unwrap_or_default());
    now.checked_sub(of_minute).unwrap_or(now)
});

/// Returns the next multiple of a period since a time that all tasks have in common. It is at most a period away.
pub fn next_tick(period: Duration) -> Instant {
    let count = ORIGIN.elapsed().as_nanos() / period.as_nanos().max(1) + 1;
    *ORIGIN + period * u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[tokio::test]
    async fn ticks_of_different_tasks_coincide() {
        let period = Duration::from_millis(40);
        let first = next_tick(period);
        assert!(first > Instant::now() && first <= Instant::now() + period);
        sleep(Duration::from_millis(5)).await;
        let second = next_tick(period);
        assert_eq!((second - first).as_nanos() % period.as_nanos(), 0);
        let longer = next_tick(2 * period);
        assert_eq!((longer.max(first) - longer.min(first)).as_nanos() % period.as_nanos(), 0);
    }
}
