//! Hashes passwords with argon2id on blocking threads, a few at a time.

use std::{num::NonZero, sync::Arc, time::Duration};

use sign_in::{HashError, Hasher, NewPassword, Password};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use crate::{metrics::METRICS, problems::Code};

/// The number of passwords that may wait or be hashed: the work of a few seconds.
const MAX_PENDING: usize = 256;

/// The longest time that a password waits in the queue.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);

/// The secret with which a box signs in.
pub(crate) type BoxSecret = Password<32>;

/// A secret to be set for a box.
pub(crate) type NewBoxSecret = NewPassword<32>;

/// The password of a locked room.
pub(crate) type RoomPassword = Password<1>;

/// A password to be set for a room.
pub(crate) type NewRoomPassword = NewPassword<1>;

/// Hashes and verifies all passwords. Bounds the memory (19 MiB per processor, reused) and keeps the work off the async
/// threads.
pub(crate) struct Passwords {
    hasher: Arc<Hasher>,
    pending: Semaphore,
    workers: Semaphore,
    /// The hash for passwords of unknown users, so that their check takes as long as that of known users.
    dummy_hash: String,
}

impl Passwords {
    /// Creates one that hashes as many passwords concurrently as the machine has cores.
    pub(crate) fn new() -> Result<Self, HashError> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self::with_limits(MAX_PENDING, cores)
    }

    fn with_limits(pending: usize, workers: usize) -> Result<Self, HashError> {
        let hasher = Arc::new(Hasher::default());
        let dummy_hash = hasher.hash("a password that nobody has")?;
        Ok(Self { hasher, pending: Semaphore::new(pending), workers: Semaphore::new(workers), dummy_hash })
    }

    /// Returns the hash of a password in PHC form, with a new salt.
    pub(crate) async fn hash<const MIN: usize>(&self, password: NewPassword<MIN>) -> Result<String, Code> {
        let hasher = Arc::clone(&self.hasher);
        let result = self.run_limited(move || password.hash(&hasher)).await?;
        result.map_err(|error| {
            tracing::error!(%error, "a password cannot be hashed");
            Code::Internal
        })
    }

    /// Returns true if the password has this hash. Without a hash it is wrong, after the same time.
    pub(crate) async fn matches<const MIN: usize>(
        &self,
        password: Password<MIN>,
        hash: Option<&str>,
    ) -> Result<bool, Code> {
        let known = hash.is_some();
        let hash = hash.unwrap_or(&self.dummy_hash).to_owned();
        let hasher = Arc::clone(&self.hasher);
        self.run_limited(move || known & password.matches(&hasher, &hash)).await
    }

    async fn run_limited<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Code> {
        let busy = || {
            METRICS.passwords_refused.inc();
            Code::Busy
        };
        let _slot = self.pending.try_acquire().map_err(|_| busy())?;
        let waiting = METRICS.count_waiting_password();
        let worker = timeout(QUEUE_TIMEOUT, self.workers.acquire()).await;
        let _worker = worker.map_err(|_| busy())?.map_err(|_| busy())?;
        drop(waiting);
        spawn_blocking(work).await.map_err(|error| {
            tracing::error!(%error, "hashing a password panicked");
            Code::Internal
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Instant};

    use futures::future::join_all;

    use super::*;

    fn password<const MIN: usize>(text: &str) -> Password<MIN> {
        serde_json::from_value(text.into()).unwrap()
    }

    fn new_password<const MIN: usize>(text: &str) -> NewPassword<MIN> {
        serde_json::from_value(text.into()).unwrap()
    }

    #[tokio::test]
    async fn a_password_matches_only_its_own_hash() {
        let passwords = Passwords::new().unwrap();
        let hash = passwords.hash::<8>(new_password("correct horse")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.matches::<8>(password("correct horse"), Some(&hash)).await.unwrap());
        assert!(!passwords.matches::<8>(password("battery staple"), Some(&hash)).await.unwrap());
        assert!(!passwords.matches::<8>(password("a password that nobody has"), None).await.unwrap());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_flood_of_passwords_is_bounded_and_does_not_block_other_requests() {
        let passwords = Arc::new(Passwords::with_limits(20, 2).unwrap());
        let storm = join_all((0..120).map(|_| {
            let passwords = Arc::clone(&passwords);
            tokio::spawn(async move { passwords.hash::<1>(new_password("storm")).await })
        }));
        // The runtime has one thread: hashing on it would block this loop.
        let mut longest = Duration::ZERO;
        let ticking = async {
            loop {
                let before = Instant::now();
                tokio::task::yield_now().await;
                longest = longest.max(before.elapsed());
            }
        };
        let results = tokio::select! {
            results = storm => results,
            () = ticking => unreachable!(),
        };
        let refused = results.into_iter().filter(|result| matches!(result, Ok(Err(Code::Busy)))).count();
        assert!(refused >= 100, "{refused} were refused");
        assert!(longest < Duration::from_secs(1), "others waited for {longest:?}");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test(flavor = "multi_thread")]
    async fn memory_stays_bounded_while_many_passwords_are_hashed() {
        let resident = || {
            let pages: u64 =
                std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse().unwrap();
            pages * 4096 / (1024 * 1024)
        };
        let passwords = Arc::new(Passwords::with_limits(MAX_PENDING, 2).unwrap());
        let before = resident();
        // Pauses between waves let blocking threads end and others take over.
        for _ in 0..10 {
            let wave = (0..40).map(|number| {
                let passwords = Arc::clone(&passwords);
                tokio::spawn(async move { passwords.hash::<1>(new_password(&number.to_string())).await.unwrap() })
            });
            join_all(wave).await;
        }
        let grown = resident().saturating_sub(before);
        assert!(grown < 2 * 19 + 20, "{grown} MiB more after 400 passwords");
    }
}
