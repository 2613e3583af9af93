//! Limits of exports: one of a user at a time, and a few in an hour. Each instance counts for itself.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use domain::UserId;

use crate::error::Error;

const HOUR: Duration = Duration::from_hours(1);

/// The number of users with exports after which those of the past hour are looked through.
const CLEAN_UP: usize = 1000;

/// The time after which an export counts as abandoned, although its client is still connected: longer than one that is
/// read takes.
const ABANDONED: Duration = Duration::from_mins(15);

/// The `Retry-After` of an export while another one of the user runs, in seconds.
const RUNNING_RETRY: u32 = 5;

/// The limits of all exports of the process.
#[derive(Clone)]
pub(crate) struct ExportLimiter(Arc<Shared>);

struct Shared {
    /// The number of exports of a user in an hour; 0 for no limit.
    per_hour: u32,
    users: Mutex<HashMap<UserId, Exporter>>,
}

/// A user who has begun exports.
struct Exporter {
    /// The time at which the running export began.
    running: Option<Instant>,
    /// The time at which the hour began, and the exports since then.
    since: Instant,
    begun: u32,
}

/// An export that runs, until this is dropped.
pub(crate) struct ExportSlot {
    limiter: ExportLimiter,
    user: UserId,
    began: Instant,
}

impl ExportLimiter {
    /// Creates a limiter with this number of exports of a user in an hour.
    pub(crate) fn new(per_hour: u32) -> Self {
        Self(Arc::new(Shared { per_hour, users: Mutex::default() }))
    }

    /// Begins an export of a user, or continues one.
    pub(crate) fn begin(&self, user: &UserId) -> Result<ExportSlot, Error> {
        self.begin_at(user, Instant::now()).map_err(Error::TooManyExports)
    }

    /// Begins an export, or returns the seconds to wait.
    fn begin_at(&self, user: &UserId, now: Instant) -> Result<ExportSlot, u32> {
        let mut users = self.users();
        let is_past = |exporter: &Exporter| now.duration_since(exporter.since) >= HOUR;
        if users.len() >= CLEAN_UP {
            users.retain(|_, exporter| exporter.running.is_some() || !is_past(exporter));
        }
        let new = Exporter { running: None, since: now, begun: 0 };
        let exporter = users.entry(user.clone()).or_insert(new);
        if exporter.running.is_some_and(|began| now.duration_since(began) < ABANDONED) {
            return Err(RUNNING_RETRY);
        }
        if is_past(exporter) {
            (exporter.since, exporter.begun) = (now, 0);
        }
        if self.0.per_hour > 0 && exporter.begun >= self.0.per_hour {
            let left = HOUR.saturating_sub(now.duration_since(exporter.since));
            return Err(u32::try_from(left.as_secs()).unwrap_or(u32::MAX).max(1));
        }
        (exporter.running, exporter.begun) = (Some(now), exporter.begun + 1);
        Ok(ExportSlot { limiter: self.clone(), user: user.clone(), began: now })
    }

    fn users(&self) -> MutexGuard<'_, HashMap<UserId, Exporter>> {
        self.0.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ExportSlot {
    fn drop(&mut self) {
        if let Some(exporter) = self.limiter.users().get_mut(&self.user)
            && exporter.running == Some(self.began)
        {
            exporter.running = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    #[test]
    fn one_export_of_a_user_runs_and_a_few_begin_in_an_hour() {
        let (limiter, now) = (ExportLimiter::new(2), Instant::now());
        let (ann, ben) = (user("ann"), user("ben"));
        let first = limiter.begin_at(&ann, now).ok().unwrap();
        assert_eq!(limiter.begin_at(&ann, now).err(), Some(RUNNING_RETRY));
        assert!(limiter.begin_at(&ben, now).is_ok(), "another user");
        drop(first);
        drop(limiter.begin_at(&ann, now + HOUR / 2).ok().unwrap());
        assert_eq!(limiter.begin_at(&ann, now + HOUR / 2).err(), Some(1800));
        assert!(limiter.begin_at(&ann, now + HOUR).is_ok());
        let abandoned = limiter.begin_at(&ben, now).ok().unwrap();
        let next = limiter.begin_at(&ben, now + ABANDONED + HOUR).ok().unwrap();
        drop(abandoned);
        assert_eq!(limiter.begin_at(&ben, now + ABANDONED + HOUR).err(), Some(RUNNING_RETRY));
        drop(next);
        let unlimited = ExportLimiter::new(0);
        (0..20).for_each(|_| drop(unlimited.begin_at(&ann, now).ok().unwrap()));
    }

    #[test]
    fn exports_of_the_past_are_forgotten() {
        let (limiter, now) = (ExportLimiter::new(2), Instant::now());
        for number in 0..CLEAN_UP {
            drop(limiter.begin_at(&user(&format!("u{number}")), now));
        }
        let running = limiter.begin_at(&user("ann"), now + HOUR);
        drop(limiter.begin_at(&user("ben"), now + HOUR));
        assert_eq!(limiter.users().len(), 2);
        drop(running);
    }
}
