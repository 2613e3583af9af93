//! Limits of searches: one of a user at a time, a few of all users, and a short queue. Searches are the only reads
//! whose cost a client chooses, so they must not displace other reads, or other users' searches.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use domain::UserId;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task,
    time::timeout,
};
use tracing::Instrument;

use crate::error::Error;

/// The searches of one user: one that runs and one that waits.
const PER_USER: usize = 2;

/// The maximum number of waiting searches of all users.
const QUEUE: usize = 32;

/// The longest wait for a permit.
const WAIT_TIMEOUT: Duration = Duration::from_secs(1);

/// The limits of all searches of the process.
#[derive(Clone)]
pub(crate) struct SearchLimiter(Arc<Shared>);

struct Shared {
    budget: Duration,
    running: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    users: Mutex<HashMap<UserId, Searcher>>,
}

/// A user with at least one search.
struct Searcher {
    searches: usize,
    semaphore: Arc<Semaphore>,
}

/// A search that may run, until this is dropped.
pub(crate) struct SearchPermit {
    _running: OwnedSemaphorePermit,
    _user_permit: OwnedSemaphorePermit,
    slot: UserSlot,
}

impl SearchPermit {
    /// Carries out a search, which gets the time at which it must end.
    pub(crate) async fn run<T, F>(self, search: impl FnOnce(Instant) -> F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let search = search(Instant::now() + self.slot.limiter.0.budget);
        // A task of its own: a client that hangs up does not end the statement, so it must not release the permit
        // either.
        let search = async move {
            let _permit = self;
            search.await
        };
        let search = task::spawn(search.in_current_span());
        search.await.unwrap_or_else(|end| std::panic::resume_unwind(end.into_panic()))
    }
}

/// A search counted among those of its user, until this is dropped.
struct UserSlot {
    limiter: SearchLimiter,
    user: UserId,
}

impl SearchLimiter {
    /// Creates a limiter for this number of concurrent searches, each with this time in the database.
    pub(crate) fn new(concurrency: u32, budget: Duration) -> Self {
        Self(Arc::new(Shared {
            budget,
            running: Arc::new(Semaphore::new(concurrency as usize)),
            queue: Arc::new(Semaphore::new(QUEUE)),
            users: Mutex::default(),
        }))
    }

    /// Waits briefly for a permit of this user. Rejects a search if too many searches of the user or of all users wait.
    pub(crate) async fn acquire(&self, user: &UserId) -> Result<SearchPermit, Error> {
        let (slot, semaphore) = self.enter_queue(user).ok_or(Error::SearchBusy)?;
        let _queued = self.0.queue.try_acquire().map_err(|_| Error::SearchBusy)?;
        let wait = async {
            // The user's own permit comes first: a search that waits for another one of its user holds no other permit.
            let user_permit = semaphore.acquire_owned().await;
            (user_permit, self.0.running.clone().acquire_owned().await)
        };
        match timeout(WAIT_TIMEOUT, wait).await {
            Ok((Ok(user_permit), Ok(running))) => {
                Ok(SearchPermit { _running: running, _user_permit: user_permit, slot })
            }
            _ => Err(Error::SearchBusy),
        }
    }

    fn enter_queue(&self, user: &UserId) -> Option<(UserSlot, Arc<Semaphore>)> {
        let mut users = self.users();
        let searcher = users.entry(user.clone()).or_insert_with(Searcher::new);
        if searcher.searches >= PER_USER {
            return None;
        }
        searcher.searches += 1;
        Some((UserSlot { limiter: self.clone(), user: user.clone() }, searcher.semaphore.clone()))
    }

    fn users(&self) -> MutexGuard<'_, HashMap<UserId, Searcher>> {
        self.0.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Searcher {
    fn new() -> Self {
        Self { searches: 0, semaphore: Arc::new(Semaphore::new(1)) }
    }
}

impl Drop for UserSlot {
    fn drop(&mut self) {
        let mut users = self.limiter.users();
        if let Some(searcher) = users.get_mut(&self.user) {
            searcher.searches -= 1;
            if searcher.searches == 0 {
                users.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    #[tokio::test]
    async fn one_search_of_a_user_runs_one_waits_and_a_third_is_refused() {
        let limiter = SearchLimiter::new(2, Duration::from_secs(1));
        let (ann, ben) = (user("ann"), user("ben"));
        let first = limiter.acquire(&ann).await.unwrap();
        let second = limiter.acquire(&ann);
        tokio::pin!(second);
        assert!(futures::poll!(&mut second).is_pending());
        assert!(futures::FutureExt::now_or_never(limiter.acquire(&ann)).unwrap().is_err(), "at once");
        // Others do not wait for them.
        drop(futures::FutureExt::now_or_never(limiter.acquire(&ben)).unwrap().unwrap());
        drop(first);
        let second = second.await.unwrap();
        assert!(limiter.acquire(&ann).await.is_err(), "waits for the second in vain");
        drop(second);
        assert!(limiter.users().is_empty());
    }

    #[tokio::test]
    async fn a_few_searches_run_a_few_wait_and_further_ones_are_refused() {
        let limiter = SearchLimiter::new(2, Duration::from_secs(1));
        let users: Vec<UserId> = (0..2 + QUEUE).map(|number| user(&format!("u{number}"))).collect();
        let mut running = vec![limiter.acquire(&users[0]).await.unwrap(), limiter.acquire(&users[1]).await.unwrap()];
        let mut waiting: Vec<_> = users[2..].iter().map(|user| Box::pin(limiter.acquire(user))).collect();
        for search in &mut waiting {
            assert!(futures::poll!(search).is_pending());
        }
        let late = user("late");
        assert!(futures::FutureExt::now_or_never(limiter.acquire(&late)).unwrap().is_err(), "at once");
        running.clear();
        for search in waiting {
            drop(search.await.unwrap());
        }
        assert!(limiter.users().is_empty());
    }
}
