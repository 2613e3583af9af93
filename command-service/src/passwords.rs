//! Hashes passwords with argon2id on blocking threads, a few at a time.

mod argon;

use std::{fmt, num::NonZero, sync::Arc, time::Duration};

use argon::Hasher;
use serde::{Deserialize, Deserializer, de::Error as _};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use crate::{metrics::METRICS, problems::Code};

/// The number of passwords that may wait or be hashed: the work of a few seconds.
const SEATS: usize = 256;

/// The longest wait of a password for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// The maximum length of any password. Longer ones would only cost time.
pub(crate) const MAX_CHARS: usize = 128;

/// A received password of at least `MIN` characters. Its `Debug` form hides it.
#[derive(Clone)]
pub(crate) struct Password<const MIN: usize>(String);

/// The password of an account.
pub(crate) type AccountPassword = Password<8>;

/// The secret with which a box signs in.
pub(crate) type BoxSecret = Password<32>;

/// The password of a locked room.
pub(crate) type RoomPassword = Password<1>;

impl<const MIN: usize> fmt::Debug for Password<MIN> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

impl<const MIN: usize> Password<MIN> {
    /// Checks the length of the password.
    pub(crate) fn new(text: String) -> Result<Self, String> {
        if (MIN..=MAX_CHARS).contains(&text.chars().count()) {
            Ok(Self(text))
        } else {
            Err(format!("a password must have {MIN} to {MAX_CHARS} characters"))
        }
    }
}

impl<'de, const MIN: usize> Deserialize<'de> for Password<MIN> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // serde's own message would repeat a value of the wrong type.
        let text = String::deserialize(deserializer).map_err(|_| D::Error::custom("a password must be a string"))?;
        Self::new(text).map_err(D::Error::custom)
    }
}

/// Hashes and verifies all passwords. Bounds the memory (19 MiB per processor, reused) and keeps the work off the async
/// threads.
pub(crate) struct Passwords {
    hasher: Arc<Hasher>,
    seats: Semaphore,
    turns: Semaphore,
    /// The hash for passwords of unknown users, so that their check takes as long as that of known users.
    stranger: String,
}

impl Passwords {
    /// Creates one that hashes as many passwords concurrently as the machine has cores.
    pub(crate) fn new() -> Result<Self, argon::HashError> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self::with_limits(SEATS, cores)
    }

    fn with_limits(seats: usize, turns: usize) -> Result<Self, argon::HashError> {
        let hasher = Arc::new(Hasher::default());
        let stranger = hasher.hash("a password that nobody has")?;
        Ok(Self { hasher, seats: Semaphore::new(seats), turns: Semaphore::new(turns), stranger })
    }

    /// Returns the hash of a password in PHC form, with a new salt.
    pub(crate) async fn hash<const MIN: usize>(&self, password: Password<MIN>) -> Result<String, Code> {
        let hasher = Arc::clone(&self.hasher);
        let result = self.take_turn(move || hasher.hash(&password.0)).await?;
        result.map_err(|error| {
            tracing::error!(%error, "a password cannot be hashed");
            Code::Internal
        })
    }

    /// Returns true if the password has this hash. Without a hash it is wrong, after the same time.
    pub(crate) async fn fits<const MIN: usize>(
        &self,
        password: Password<MIN>,
        hash: Option<&str>,
    ) -> Result<bool, Code> {
        let known = hash.is_some();
        let hash = hash.unwrap_or(&self.stranger).to_owned();
        let hasher = Arc::clone(&self.hasher);
        self.take_turn(move || known & hasher.fits(&password.0, &hash)).await
    }

    async fn take_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Code> {
        let busy = || {
            METRICS.passwords_refused.inc();
            Code::Busy
        };
        let _seat = self.seats.try_acquire().map_err(|_| busy())?;
        let waiting = METRICS.password_waits();
        let turn = timeout(PATIENCE, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
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

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let passwords = Passwords::new().unwrap();
        let hash = passwords.hash::<8>(password("correct horse")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.fits::<8>(password("correct horse"), Some(&hash)).await.unwrap());
        assert!(!passwords.fits::<8>(password("battery staple"), Some(&hash)).await.unwrap());
        assert!(!passwords.fits::<8>(password("a password that nobody has"), None).await.unwrap());
    }

    #[test]
    fn a_password_has_its_length_and_is_never_shown() {
        let parse = |text: serde_json::Value| serde_json::from_value::<AccountPassword>(text);
        assert!(parse("12345678".into()).is_ok() && parse("ü".repeat(128).into()).is_ok());
        for bad in ["1234567".into(), "x".repeat(129).into(), serde_json::json!(12_345_678), serde_json::json!(null)] {
            let error = parse(bad).unwrap_err().to_string();
            assert!(!error.contains("12345678") && !error.contains('x'), "{error}");
        }
        assert_eq!(format!("{:?}", password::<8>("correct horse")), "Password(..)");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_storm_of_passwords_neither_blocks_the_others_nor_grows_without_bound() {
        let passwords = Arc::new(Passwords::with_limits(20, 2).unwrap());
        let storm = join_all((0..120).map(|_| {
            let passwords = Arc::clone(&passwords);
            tokio::spawn(async move { passwords.hash::<1>(password("storm")).await })
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
    async fn memory_stays_bounded_however_many_passwords_are_hashed() {
        let resident = || {
            let pages: u64 =
                std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse().unwrap();
            pages * 4096 / (1024 * 1024)
        };
        let passwords = Arc::new(Passwords::with_limits(SEATS, 2).unwrap());
        let before = resident();
        // Pauses between waves let blocking threads end and others take over.
        for _ in 0..10 {
            let wave = (0..40).map(|number| {
                let passwords = Arc::clone(&passwords);
                tokio::spawn(async move { passwords.hash::<1>(password(&number.to_string())).await.unwrap() })
            });
            join_all(wave).await;
        }
        let grown = resident().saturating_sub(before);
        assert!(grown < 2 * 19 + 20, "{grown} MiB more after 400 passwords");
    }
}
