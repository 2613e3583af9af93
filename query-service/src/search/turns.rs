//! Turns of searches: one of a user at a time, a few of all users, and a short queue. Searches are the only reads
//! whose cost a client chooses, so they must not take the place of other reads, or of other users' searches.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::UserId;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::error::Error;

/// The searches of one user: one that runs and one that waits.
const PER_USER: usize = 2;

/// The maximum number of waiting searches of all users.
const QUEUE: usize = 32;

/// The longest wait for a turn.
const PATIENCE: Duration = Duration::from_secs(1);

/// The turns of all searches of the process.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Shared>);

struct Shared {
    running: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    users: Mutex<HashMap<UserId, Searcher>>,
}

/// A user with at least one search.
struct Searcher {
    searches: usize,
    turn: Arc<Semaphore>,
}

/// A search that may run, until this is dropped.
pub(super) struct Turn {
    _running: OwnedSemaphorePermit,
    _of_user: OwnedSemaphorePermit,
    _place: Place,
}

/// The place of a search among those of its user.
struct Place {
    turns: Turns,
    user: UserId,
}

impl Turns {
    /// Creates turns for this number of concurrent searches.
    pub(crate) fn new(at_once: u32) -> Self {
        Self(Arc::new(Shared {
            running: Arc::new(Semaphore::new(at_once as usize)),
            queue: Arc::new(Semaphore::new(QUEUE)),
            users: Mutex::default(),
        }))
    }

    /// Waits briefly for a turn of this user. Rejects a search if too many searches of the user or of all users wait.
    pub(super) async fn take(&self, user: &UserId) -> Result<Turn, Error> {
        let (place, turn) = self.enter(user).ok_or(Error::SearchBusy)?;
        let _queued = self.0.queue.try_acquire().map_err(|_| Error::SearchBusy)?;
        let wait = async {
            // The user's own turn comes first: a search that waits for another one of its user holds no other permit.
            let of_user = turn.acquire_owned().await;
            (of_user, self.0.running.clone().acquire_owned().await)
        };
        match timeout(PATIENCE, wait).await {
            Ok((Ok(of_user), Ok(running))) => Ok(Turn { _running: running, _of_user: of_user, _place: place }),
            _ => Err(Error::SearchBusy),
        }
    }

    fn enter(&self, user: &UserId) -> Option<(Place, Arc<Semaphore>)> {
        let mut users = self.users();
        let searcher = users.entry(user.clone()).or_insert_with(Searcher::new);
        if searcher.searches >= PER_USER {
            return None;
        }
        searcher.searches += 1;
        Some((Place { turns: self.clone(), user: user.clone() }, searcher.turn.clone()))
    }

    fn users(&self) -> MutexGuard<'_, HashMap<UserId, Searcher>> {
        self.0.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Searcher {
    fn new() -> Self {
        Self { searches: 0, turn: Arc::new(Semaphore::new(1)) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut users = self.turns.users();
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
        let turns = Turns::new(2);
        let (ann, ben) = (user("ann"), user("ben"));
        let first = turns.take(&ann).await.unwrap();
        let second = turns.take(&ann);
        tokio::pin!(second);
        assert!(futures::poll!(&mut second).is_pending());
        assert!(futures::FutureExt::now_or_never(turns.take(&ann)).unwrap().is_err(), "at once");
        // Others do not wait for them.
        drop(futures::FutureExt::now_or_never(turns.take(&ben)).unwrap().unwrap());
        drop(first);
        let second = second.await.unwrap();
        assert!(turns.take(&ann).await.is_err(), "waits for the second in vain");
        drop(second);
        assert!(turns.users().is_empty());
    }

    #[tokio::test]
    async fn a_few_searches_run_a_few_wait_and_further_ones_are_refused() {
        let turns = Turns::new(2);
        let users: Vec<UserId> = (0..2 + QUEUE).map(|number| user(&format!("u{number}"))).collect();
        let mut running = vec![turns.take(&users[0]).await.unwrap(), turns.take(&users[1]).await.unwrap()];
        let mut waiting: Vec<_> = users[2..].iter().map(|user| Box::pin(turns.take(user))).collect();
        for search in &mut waiting {
            assert!(futures::poll!(search).is_pending());
        }
        let late = user("late");
        assert!(futures::FutureExt::now_or_never(turns.take(&late)).unwrap().is_err(), "at once");
        running.clear();
        for search in waiting {
            drop(search.await.unwrap());
        }
        assert!(turns.users().is_empty());
    }
}
