//! Hashes passwords with argon2id on blocking threads, a few at a time. Each kind of work has a lane of its own, and no
//! caller fills a lane, so that a flood of one kind or from a few addresses does not keep others waiting.

use std::{
    collections::HashMap,
    hash::Hash,
    num::NonZero,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::UserId;
use service_kit::http::ClientAddress;
use sign_in::{HashError, Hasher, NewPassword, Password};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use crate::{metrics::METRICS, problems::Code};

/// The number of passwords of each kind that may wait or be hashed: the work of a few seconds.
const MAX_SIGN_INS: usize = 256;
const MAX_REGISTRATIONS: usize = 64;
const MAX_ROOM_PASSWORDS: usize = 128;

/// The longest time that a password waits in the queue.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);

/// The secret with which a box signs in.
pub(crate) type BoxSecret = Password<32>;

/// A secret to be set for a box.
pub(crate) type NewBoxSecret = NewPassword<32>;

/// The password of a locked room. Earlier releases accepted short ones.
pub(crate) type RoomPassword = Password<1>;

/// The minimum length of a password to be set for a room.
pub(crate) const MIN_ROOM_PASSWORD: usize = 4;

/// A password to be set for a room.
pub(crate) type NewRoomPassword = NewPassword<MIN_ROOM_PASSWORD>;

/// The work that a password is for, and the caller whose passwords are counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work<'a> {
    /// A registration from this address.
    Registration(ClientAddress),
    /// A sign-in from this address, or a change of a password or a secret.
    SignIn(ClientAddress),
    /// The password of a room, from this user.
    Room(&'a UserId),
}

/// Hashes and verifies all passwords. Bounds the memory (19 MiB for each of at most two passwords per processor,
/// reused) and keeps the work off the async threads.
pub(crate) struct Passwords {
    hasher: Arc<Hasher>,
    registrations: Lane<ClientAddress>,
    sign_ins: Lane<ClientAddress>,
    rooms: Lane<UserId>,
    /// The hash for passwords of unknown users, so that their check takes as long as that of known users.
    dummy_hash: String,
}

/// The queue of one kind of work.
struct Lane<K> {
    pending: Semaphore,
    workers: Semaphore,
    /// The maximum number of pending passwords of one caller; 0 for no limit.
    max_of_caller: usize,
    callers: Mutex<HashMap<K, usize>>,
}

/// A pending password of a caller, until it is dropped.
struct Turn<'a, K: Eq + Hash>(&'a Lane<K>, K);

impl<K: Eq + Hash> Drop for Turn<'_, K> {
    fn drop(&mut self) {
        let mut callers = self.0.callers();
        if let Some(pending) = callers.get_mut(&self.1) {
            *pending -= 1;
            if *pending == 0 {
                callers.remove(&self.1);
            }
        }
    }
}

impl<K: Clone + Eq + Hash> Lane<K> {
    fn enter(&self, caller: K) -> Option<Turn<'_, K>> {
        let mut callers = self.callers();
        let pending = callers.entry(caller.clone()).or_default();
        if self.max_of_caller > 0 && *pending >= self.max_of_caller {
            return None;
        }
        *pending += 1;
        Some(Turn(self, caller))
    }

    /// Runs the work when it is its turn. Rejects it if too much waits, in total or of this caller. No caller stands
    /// for trusted ones, which are not limited.
    async fn run<T: Send + 'static>(
        &self,
        caller: Option<K>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Code> {
        let busy = || {
            METRICS.passwords_refused.inc();
            Code::Busy
        };
        let _slot = self.pending.try_acquire().map_err(|_| busy())?;
        let _turn = match caller {
            Some(caller) => Some(self.enter(caller).ok_or_else(busy)?),
            None => None,
        };
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

impl<K: Eq + Hash> Lane<K> {
    fn new(pending: usize, workers: usize, max_of_caller: usize) -> Self {
        let (pending, workers) = (Semaphore::new(pending), Semaphore::new(workers));
        Self { pending, workers, max_of_caller, callers: Mutex::default() }
    }

    fn callers(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Passwords {
    /// Creates one that hashes as many passwords of sign-ins concurrently as the machine has cores, and half as many of
    /// each other kind. At most `max_of_caller` passwords of a caller wait in a lane, or any number if it is 0.
    pub(crate) fn new(max_of_caller: usize) -> Result<Self, HashError> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self::with_lanes(
            Lane::new(MAX_REGISTRATIONS, cores.div_ceil(2), max_of_caller),
            Lane::new(MAX_SIGN_INS, cores, max_of_caller),
            Lane::new(MAX_ROOM_PASSWORDS, cores.div_ceil(2), max_of_caller),
        )
    }

    fn with_lanes(
        registrations: Lane<ClientAddress>,
        sign_ins: Lane<ClientAddress>,
        rooms: Lane<UserId>,
    ) -> Result<Self, HashError> {
        let hasher = Arc::new(Hasher::default());
        let dummy_hash = hasher.hash("a password that nobody has")?;
        Ok(Self { hasher, registrations, sign_ins, rooms, dummy_hash })
    }

    /// Returns the hash of a password in PHC form, with a new salt.
    pub(crate) async fn hash<const MIN: usize>(
        &self,
        work: Work<'_>,
        password: NewPassword<MIN>,
    ) -> Result<String, Code> {
        let hasher = Arc::clone(&self.hasher);
        let result = self.run(work, move || password.hash(&hasher)).await?;
        result.map_err(|error| {
            tracing::error!(%error, "a password cannot be hashed");
            Code::Internal
        })
    }

    /// Returns true if the password has this hash. Without a hash it is wrong, after the same time.
    pub(crate) async fn matches<const MIN: usize>(
        &self,
        work: Work<'_>,
        password: Password<MIN>,
        hash: Option<&str>,
    ) -> Result<bool, Code> {
        let known = hash.is_some();
        let hash = hash.unwrap_or(&self.dummy_hash).to_owned();
        let hasher = Arc::clone(&self.hasher);
        self.run(work, move || known & password.matches(&hasher, &hash)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: Work<'_>,
        run: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Code> {
        // Requests over NATS are those of boxes, operators and other processes.
        let over_http = |address| (address != ClientAddress::UNSPECIFIED).then_some(address);
        match work {
            Work::Registration(address) => self.registrations.run(over_http(address), run).await,
            Work::SignIn(address) => self.sign_ins.run(over_http(address), run).await,
            Work::Room(user_id) => self.rooms.run(Some(user_id.clone()), run).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, sync::Arc, time::Instant};

    use futures::future::join_all;

    use super::*;

    fn password<const MIN: usize>(text: &str) -> Password<MIN> {
        serde_json::from_value(text.into()).unwrap()
    }

    fn new_password<const MIN: usize>(text: &str) -> NewPassword<MIN> {
        serde_json::from_value(text.into()).unwrap()
    }

    fn address(number: u8) -> ClientAddress {
        IpAddr::from([192, 0, 2, number]).into()
    }

    fn passwords(sign_ins: Lane<ClientAddress>) -> Arc<Passwords> {
        Arc::new(Passwords::with_lanes(Lane::new(20, 1, 0), sign_ins, Lane::new(20, 1, 0)).unwrap())
    }

    #[tokio::test]
    async fn a_password_matches_only_its_own_hash() {
        let passwords = Passwords::new(0).unwrap();
        let work = Work::SignIn(address(1));
        let hash = passwords.hash::<8>(work, new_password("correct horse")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.matches::<8>(work, password("correct horse"), Some(&hash)).await.unwrap());
        assert!(!passwords.matches::<8>(work, password("battery staple"), Some(&hash)).await.unwrap());
        assert!(!passwords.matches::<8>(work, password("a password that nobody has"), None).await.unwrap());
    }

    /// Sends this many passwords of each address at once, and returns how many were rejected.
    async fn storm(
        passwords: &Arc<Passwords>,
        addresses: &[u8],
        of_each: usize,
        work: fn(u8) -> Work<'static>,
    ) -> usize {
        let all = addresses.iter().flat_map(|address| std::iter::repeat_n(*address, of_each));
        let hashed = all.map(|address| {
            let passwords = Arc::clone(passwords);
            tokio::spawn(async move { passwords.hash::<1>(work(address), new_password("storm")).await })
        });
        let results = join_all(hashed).await;
        results.into_iter().filter(|result| matches!(result, Ok(Err(Code::Busy)))).count()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_flood_of_passwords_is_bounded_and_does_not_block_other_requests() {
        let passwords = passwords(Lane::new(20, 2, 0));
        // The runtime has one thread: hashing on it would block this loop.
        let mut longest = Duration::ZERO;
        let ticking = async {
            loop {
                let before = Instant::now();
                tokio::task::yield_now().await;
                longest = longest.max(before.elapsed());
            }
        };
        let refused = tokio::select! {
            refused = storm(&passwords, &[1], 120, |number| Work::SignIn(address(number))) => refused,
            () = ticking => unreachable!(),
        };
        assert!(refused >= 100, "{refused} were refused");
        assert!(longest < Duration::from_secs(1), "others waited for {longest:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn two_addresses_do_not_keep_a_third_one_from_signing_in() {
        let passwords = passwords(Lane::new(20, 1, 4));
        let flood = tokio::spawn({
            let passwords = Arc::clone(&passwords);
            async move { storm(&passwords, &[1, 2], 50, |number| Work::SignIn(address(number))).await }
        });
        // Whenever the third address asks, no more than four passwords of each other one are before it.
        while !flood.is_finished() {
            passwords.hash::<1>(Work::SignIn(address(3)), new_password("sunny")).await.unwrap();
        }
        let refused = flood.await.unwrap();
        assert!((50..=92).contains(&refused), "{refused} were refused");
        assert!(passwords.sign_ins.callers().is_empty());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn registrations_and_rooms_do_not_fill_the_lane_of_sign_ins() {
        let passwords = passwords(Lane::new(1, 1, 0));
        let flood = tokio::spawn({
            let passwords = Arc::clone(&passwords);
            async move { storm(&passwords, &[1], 50, |number| Work::Registration(address(number))).await }
        });
        let ana = "ana".parse().unwrap();
        while !flood.is_finished() {
            passwords.hash::<1>(Work::SignIn(address(1)), new_password("sunny")).await.unwrap();
            passwords.hash::<1>(Work::Room(&ana), new_password("sunny")).await.unwrap();
        }
        assert!(flood.await.unwrap() >= 30);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test(flavor = "multi_thread")]
    async fn memory_stays_bounded_while_many_passwords_are_hashed() {
        let resident = || {
            let pages: u64 =
                std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse().unwrap();
            pages * 4096 / (1024 * 1024)
        };
        let passwords = passwords(Lane::new(MAX_SIGN_INS, 2, 0));
        let before = resident();
        // Pauses between waves let blocking threads end and others take over.
        for _ in 0..10 {
            assert_eq!(storm(&passwords, &[1], 40, |number| Work::SignIn(address(number))).await, 0);
        }
        let grown = resident().saturating_sub(before);
        assert!(grown < 2 * 19 + 20, "{grown} MiB more after 400 passwords");
    }
}
