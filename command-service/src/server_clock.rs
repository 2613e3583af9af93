//! Compares the local clock with the clock of the log's server.
//!
//! Decisions depend on the local time, and instances with other clocks read what they write. A process with a wrong
//! clock takes no commands.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use event_store::JetStreamLog;
use service_kit::clock;
use tokio::time::Instant;

use crate::{error::Error, problems::Code};

/// The greatest accepted difference.
const LIMIT: TimeDelta = TimeDelta::seconds(2);

/// The validity of a comparison. A step of the local clock is noticed at once.
const VALIDITY: Duration = Duration::from_secs(10);

/// The least time between two comparisons.
const MIN_INTERVAL: Duration = Duration::from_millis(200);

/// The advised pause before the next try, in seconds.
const RETRY_AFTER: u32 = 5;

/// The local clock, compared with the server's on demand. One instance per process.
pub(crate) struct ServerClock {
    log: JetStreamLog,
    last: Mutex<Option<Comparison>>,
    /// The time of the last attempt; held while one is under way.
    attempt: tokio::sync::Mutex<Option<Instant>>,
}

/// A reading of the local clock and of a monotonic one.
#[derive(Debug, Clone, Copy)]
struct Reading {
    wall: DateTime<Utc>,
    monotonic: Instant,
}

/// The local time before the request and after the answer of the server. Delay widens the bounds, and never looks like
/// an offset.
#[derive(Debug, Clone, Copy)]
struct Comparison {
    sent_at: DateTime<Utc>,
    received_at: Reading,
    server: DateTime<Utc>,
}

/// The result of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Right,
    /// The smallest possible offset; positive if the local clock is ahead.
    Wrong(TimeDelta),
    Unknown,
}

impl Reading {
    fn now() -> Self {
        Self { wall: clock::now(), monotonic: Instant::now() }
    }
}

impl Comparison {
    fn verdict(&self, now: Reading) -> Verdict {
        let passed = TimeDelta::from_std(now.monotonic.saturating_duration_since(self.received_at.monotonic));
        let step = now.wall - self.received_at.wall - passed.unwrap_or_default();
        let min = self.sent_at - self.server + step;
        let max = self.received_at.wall - self.server + step;
        if min > LIMIT {
            Verdict::Wrong(min)
        } else if max < -LIMIT {
            Verdict::Wrong(max)
        } else {
            Verdict::Right
        }
    }

    fn is_fresh(&self, now: Reading) -> bool {
        now.monotonic.saturating_duration_since(self.received_at.monotonic) < VALIDITY
    }
}

impl ServerClock {
    /// Creates a clock that is compared with the server of this log.
    pub(crate) fn of(log: JetStreamLog) -> Self {
        Self { log, last: Mutex::default(), attempt: tokio::sync::Mutex::default() }
    }

    /// Returns `clock-skew` if the clock is known to be wrong.
    pub(crate) async fn require(&self) -> Result<(), Error> {
        match self.known_offset().await {
            Some(offset) => Err(Code::ClockSkew.problem().detail(offset).retry_after(RETRY_AFTER).into()),
            None => Ok(()),
        }
    }

    /// Returns the offset in words if the clock is known to be wrong.
    pub(crate) async fn known_offset(&self) -> Option<String> {
        match self.verdict().await {
            Verdict::Wrong(offset) => Some(describe(offset)),
            Verdict::Right | Verdict::Unknown => None,
        }
    }

    /// Checks the clock for readiness.
    pub(crate) async fn check(&self) -> Result<(), String> {
        match self.verdict().await {
            Verdict::Right => Ok(()),
            Verdict::Wrong(offset) => Err(describe(offset)),
            Verdict::Unknown => Err("not compared with the server's clock yet".to_owned()),
        }
    }

    async fn verdict(&self) -> Verdict {
        let (verdict, fresh) = self.last_verdict();
        if verdict == Verdict::Right && fresh {
            return verdict;
        }
        let mut attempt = self.attempt.lock().await;
        if attempt.is_none_or(|at| at.elapsed() >= MIN_INTERVAL) {
            self.compare().await;
            *attempt = Some(Instant::now());
        }
        self.last_verdict().0
    }

    /// Returns the verdict of the last comparison, and whether it is still valid.
    fn last_verdict(&self) -> (Verdict, bool) {
        let now = Reading::now();
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.map_or((Verdict::Unknown, false), |last| (last.verdict(now), last.is_fresh(now)))
    }

    async fn compare(&self) {
        let sent_at = clock::now();
        // Commands fail anyway while the server does not answer.
        let Ok(server) = self.log.server_time().await else { return };
        let comparison = Comparison { sent_at, received_at: Reading::now(), server };
        if let Verdict::Wrong(offset) = comparison.verdict(comparison.received_at) {
            tracing::error!("no commands are taken: {}", describe(offset));
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(comparison);
    }
}

fn describe(offset: TimeDelta) -> String {
    let seconds = offset.abs().num_seconds();
    let side = if offset < TimeDelta::zero() { "behind" } else { "ahead of" };
    format!("the clock of this instance is {seconds} s {side} the log's")
}

/// Rejects commands while the clock is wrong.
pub(crate) async fn require_right_clock(
    State(clock): State<Arc<ServerClock>>,
    request: Request,
    next: Next,
) -> Response {
    match clock.require().await {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a comparison that took `took` seconds, with a local clock that is `ahead` by so many seconds.
    fn comparison(ahead: i64, took: u64) -> Comparison {
        let now = Reading { wall: DateTime::UNIX_EPOCH + TimeDelta::days(20_000), monotonic: Instant::now() };
        let took = Duration::from_secs(took);
        let sent_at = now.wall - TimeDelta::from_std(took).unwrap();
        // The server's time is that of the request: the answer takes all the delay.
        Comparison { sent_at, received_at: now, server: sent_at - TimeDelta::seconds(ahead) }
    }

    #[tokio::test]
    async fn a_clock_difference_counts_from_two_seconds_on_and_network_delay_does_not() {
        let verdict = |ahead, took| {
            let comparison = comparison(ahead, took);
            comparison.verdict(comparison.received_at)
        };
        assert_eq!([verdict(0, 0), verdict(2, 0), verdict(-2, 0)], [Verdict::Right; 3]);
        assert_eq!([verdict(0, 60), verdict(-2, 60), verdict(-60, 60)], [Verdict::Right; 3]);
        assert_eq!(verdict(3, 0), Verdict::Wrong(TimeDelta::seconds(3)));
        assert_eq!(verdict(3, 60), Verdict::Wrong(TimeDelta::seconds(3)));
        assert_eq!(verdict(-3, 0), Verdict::Wrong(TimeDelta::seconds(-3)));
        assert_eq!(describe(TimeDelta::hours(25)), "the clock of this instance is 90000 s ahead of the log's");
        assert_eq!(describe(TimeDelta::seconds(-3)), "the clock of this instance is 3 s behind the log's");
    }

    #[tokio::test]
    async fn a_step_of_the_local_clock_is_detected_without_another_comparison() {
        let comparison = comparison(0, 0);
        let later = |wall: TimeDelta, monotonic: Duration| Reading {
            wall: comparison.received_at.wall + wall,
            monotonic: comparison.received_at.monotonic + monotonic,
        };
        let minute = Duration::from_mins(1);
        assert_eq!(comparison.verdict(later(TimeDelta::minutes(1), minute)), Verdict::Right);
        assert_eq!(comparison.verdict(later(TimeDelta::hours(1), minute)), Verdict::Wrong(TimeDelta::minutes(59)));
        assert_eq!(comparison.verdict(later(TimeDelta::zero(), minute)), Verdict::Wrong(TimeDelta::minutes(-1)));
        assert!(!comparison.is_fresh(later(TimeDelta::minutes(1), minute)));
    }
}
