//! A counter for each user, which begins anew after a period.

use std::{
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::UserId;
use moka::sync::Cache;
use tokio::time::Instant;

use crate::{error::Error, problems::Code};

/// The maximum number of users that are counted at the same time. Beyond it, the counters of the least active ones
/// begin anew.
const MAX_COUNTED: u64 = 1_000_000;

/// A limit of each user (or another key) for a period, which begins with the first use.
pub(crate) struct Quota<K = UserId> {
    limit: u64,
    period: Duration,
    code: Code,
    windows: Cache<K, Arc<Window>>,
}

/// The use of one user in one period.
#[derive(Debug)]
struct Window {
    began_at: Instant,
    used: AtomicU64,
}

/// An amount taken from a quota. It is given back when this is dropped, unless it is kept.
#[derive(Debug)]
pub(crate) struct Taken {
    window: Arc<Window>,
    amount: u64,
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Quota<K> {
    /// Creates a quota; 0 stands for no limit. Users who exceed it get this problem.
    pub(crate) fn new(limit: u64, period: Duration, code: Code) -> Self {
        let windows = Cache::builder().max_capacity(MAX_COUNTED).time_to_live(period).build();
        Self { limit, period, code, windows }
    }

    /// Takes an amount from the quota of a user. None if there is no limit.
    pub(crate) fn take(&self, key: &K, amount: u64) -> Result<Option<Taken>, Error> {
        if self.limit == 0 {
            return Ok(None);
        }
        let begin = || Arc::new(Window { began_at: Instant::now(), used: AtomicU64::new(0) });
        let window = self.windows.get_with_by_ref(key, begin);
        let within_limit = |used: u64| used.checked_add(amount).filter(|used| *used <= self.limit);
        match window.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within_limit) {
            Ok(_) => Ok(Some(Taken { window, amount })),
            Err(_) => Err(self.exceeded(&window)),
        }
    }

    fn exceeded(&self, window: &Window) -> Error {
        let seconds = self.period.saturating_sub(window.began_at.elapsed()).as_secs() + 1;
        let limit = format!("The limit is {} in {}.", self.limit, period_name(self.period));
        let problem = self.code.problem().detail(limit);
        problem.retry_after(u32::try_from(seconds).unwrap_or(u32::MAX)).into()
    }
}

fn period_name(period: Duration) -> String {
    match period.as_secs() {
        60 => "a minute".to_owned(),
        3600 => "an hour".to_owned(),
        86_400 => "a day".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}

impl Taken {
    /// Keeps the amount: it is not given back.
    pub(crate) fn keep(mut self) {
        self.amount = 0;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.window.used.fetch_sub(self.amount, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    #[test]
    fn each_user_has_a_limit_of_its_own() {
        let quota = Quota::new(5, Duration::from_mins(1), Code::TooManyMessages);
        let take = |name, amount| quota.take(&user(name), amount).map(|taken| taken.unwrap().keep());
        take("ana", 3).unwrap();
        let problem = take("ana", 3).unwrap_err().into_problem();
        assert_eq!((problem.status().as_u16(), problem.code()), (429, "too-many-messages"));
        assert_eq!(problem.detail_text(), "The limit is 5 in a minute.");
        take("ana", 2).unwrap();
        take("ana", 1).unwrap_err();
        take("ana", u64::MAX).unwrap_err();
        take("ben", 5).unwrap();
    }

    #[test]
    fn what_is_not_kept_is_given_back() {
        let quota = Quota::new(1, Duration::from_mins(1), Code::TooManyRooms);
        for _ in 0..3 {
            drop(quota.take(&user("ana"), 1).unwrap());
        }
        quota.take(&user("ana"), 1).unwrap().unwrap().keep();
        quota.take(&user("ana"), 1).unwrap_err();
    }

    #[tokio::test]
    async fn a_counter_begins_anew_after_its_period() {
        let quota = Quota::new(1, Duration::from_millis(50), Code::TooManyRooms);
        quota.take(&user("ana"), 1).unwrap().unwrap().keep();
        testing::wait::until("the period has ended", async || quota.take(&user("ana"), 1).is_ok()).await;
    }

    #[test]
    fn zero_stands_for_no_limit() {
        let quota = Quota::new(0, Duration::from_mins(1), Code::TooManyRooms);
        assert!(quota.take(&user("ana"), u64::MAX).unwrap().is_none());
    }
}
