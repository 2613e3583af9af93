//! Limits of concurrency.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A limit in total and for each key, so that one key cannot take everything.
pub(super) struct Limits {
    total: Arc<Semaphore>,
    per_key: usize,
    keys: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// A unit of the limits, returned when it is dropped.
pub(super) struct Permit {
    _of_key: Option<OwnedSemaphorePermit>,
    _of_total: Option<OwnedSemaphorePermit>,
}

impl Limits {
    pub(super) fn new(total: usize, per_key: usize) -> Self {
        Self { total: Arc::new(Semaphore::new(total)), per_key, keys: Mutex::default() }
    }

    /// Waits for a permit, in the order of the calls.
    pub(super) async fn acquire(&self, key: &str) -> Permit {
        // The key comes first, so that waiting for it takes nothing from other keys. A semaphore that is never closed
        // has no errors.
        let of_key = self.semaphore(key).acquire_owned().await.ok();
        let of_total = self.total.clone().acquire_owned().await.ok();
        Permit { _of_key: of_key, _of_total: of_total }
    }

    /// Returns the semaphore of a key, which lives as long as a permit or a caller that waits for one.
    fn semaphore(&self, key: &str) -> Arc<Semaphore> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(semaphore) = keys.get(key).and_then(Weak::upgrade) {
            return semaphore;
        }
        keys.retain(|_, semaphore| semaphore.strong_count() > 0);
        let semaphore = Arc::new(Semaphore::new(self.per_key));
        keys.insert(key.to_owned(), Arc::downgrade(&semaphore));
        semaphore
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn permits_are_limited_for_a_key_and_in_total() {
        let limits = Limits::new(3, 2);
        let try_acquire = |key| limits.acquire(key).now_or_never();
        let first = try_acquire("a").unwrap();
        let second = try_acquire("a").unwrap();
        assert!(try_acquire("a").is_none());
        let third = try_acquire("b").unwrap();
        assert!(try_acquire("b").is_none());
        drop(first);
        assert!(try_acquire("b").is_some());
        let fourth = try_acquire("a").unwrap();
        assert!(try_acquire("c").is_none());
        drop((second, third, fourth));
        assert!(try_acquire("c").is_some());
        // Keys without permits are forgotten.
        assert_eq!(limits.keys.lock().unwrap().len(), 1);
    }
}
