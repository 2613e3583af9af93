//! Throttles password guessing: after too many wrong passwords each further attempt waits twice as long.
//!
//! Attempts are counted per account (or box) and client address, and per room and user. An account also has a tally
//! over all addresses, an address one over all accounts, and a room one over all users, all with a higher limit. An
//! attacker could use these to lock out honest users, so they do not apply to an address, or a user, that has given the
//! right password of the account or room before.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use credentials::{KeyedMutex, LoginAttempts, Tally};
use domain::{BoxId, RoomId, UserId};
use futures::future::try_join_all;
use service_kit::{clock, http::ClientAddress};
use storage::BucketError;

use crate::{error::Error, problems::Code, stamp::RequestSecret};

/// The number of wrong passwords before the first wait.
const FREE_FAILURES: u32 = 5;

/// The same limit for the tallies of an account over all addresses, of an address over all accounts, and of a room over
/// all users.
const FREE_FAILURES_TOTAL: u32 = 100;

/// The longest wait.
const MAX_WAIT: TimeDelta = TimeDelta::minutes(15);

/// The time without an attempt after which the failures before it no longer count.
const FAILURE_LIFETIME: TimeDelta = TimeDelta::days(1);

/// The throttle key of a password: the object that it opens, and the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ThrottleKey {
    own: String,
    shared: Vec<String>,
}

impl ThrottleKey {
    /// The key of an account and a client address.
    pub(crate) fn account(secret: &RequestSecret, user_id: &UserId, address: ClientAddress) -> Self {
        Self::of_address(secret, &format!("user.{user_id}"), address)
    }

    /// The key of a box's credentials and a client address.
    pub(crate) fn of_box(secret: &RequestSecret, box_id: &BoxId, address: ClientAddress) -> Self {
        Self::of_address(secret, &format!("box.{box_id}"), address)
    }

    /// The key of a room and a user.
    pub(crate) fn room(room_id: &RoomId, user_id: &UserId) -> Self {
        Self { own: format!("room.{room_id}.{user_id}"), shared: vec![format!("room.{room_id}")] }
    }

    /// Stores a keyed hash in place of the client address.
    fn of_address(secret: &RequestSecret, subject: &str, address: ClientAddress) -> Self {
        let address = secret.hash(&[b"address", address.to_string().as_bytes()]);
        Self { own: format!("{subject}.{address}"), shared: vec![subject.to_owned(), format!("address.{address}")] }
    }
}

/// The tallies of all attempts. One instance per process.
pub(crate) struct LoginThrottle {
    tallies: LoginAttempts,
    /// Serializes the attempts of one caller on one key, so that concurrent attempts are each counted.
    locks: KeyedMutex,
}

impl LoginThrottle {
    /// Creates a throttle over these tallies.
    pub(crate) fn new(tallies: LoginAttempts) -> Self {
        Self { tallies, locks: KeyedMutex::default() }
    }

    /// Returns true if the password is right. Rejects the attempt without a check while the caller has to wait.
    pub(crate) async fn check(
        &self,
        throttle_key: &ThrottleKey,
        is_correct: impl Future<Output = Result<bool, Code>>,
    ) -> Result<bool, Error> {
        let _guard = self.locks.lock(&throttle_key.own).await;
        let known = self.require_no_wait(throttle_key).await?;
        // Counted before the check: a crash does not undo it.
        self.count(&throttle_key.own).await?;
        let is_correct = is_correct.await;
        match is_correct {
            Ok(false) if !known => self.count_shared(throttle_key).await?,
            Ok(false) => {}
            Ok(true) => self.adjust(&throttle_key.own, |tally| Tally { failures: 0, known: true, ..tally }).await?,
            // The password was not checked.
            Err(_) => {
                self.adjust(&throttle_key.own, |tally| Tally { failures: tally.failures.saturating_sub(1), ..tally })
                    .await?;
            }
        }
        Ok(is_correct?)
    }

    /// Rejects a caller who has to wait. Returns true if the right password was given under this key before.
    async fn require_no_wait(&self, throttle_key: &ThrottleKey) -> Result<bool, Error> {
        let own = self.tallies.get(&throttle_key.own);
        let shared = try_join_all(throttle_key.shared.iter().map(|key| self.tallies.get(key)));
        let (own, shared) = tokio::try_join!(own, shared)?;
        let known = own.as_ref().is_some_and(|own| own.known);
        let others = shared.iter().flatten().filter(|_| !known).map(|tally| wait_until(tally, FREE_FAILURES_TOTAL));
        let ends = own.iter().map(|tally| wait_until(tally, FREE_FAILURES)).chain(others);
        let now = clock::now();
        match ends.flatten().max().filter(|end| *end > now) {
            Some(end) => Err(Error::too_many_attempts(end - now)),
            None => Ok(known),
        }
    }

    async fn count(&self, key: &str) -> Result<(), Error> {
        let now = clock::now();
        // Another instance may have counted since.
        let require_elapsed =
            |former: Option<Tally>| match former.as_ref().and_then(|tally| wait_until(tally, FREE_FAILURES)) {
                Some(end) if end > now => None,
                _ => Some(count_failure(former, now)),
            };
        match self.tallies.change(key, require_elapsed).await? {
            Some(_) => Ok(()),
            None => Err(Error::too_many_attempts(TimeDelta::seconds(1))),
        }
    }

    async fn count_shared(&self, throttle_key: &ThrottleKey) -> Result<(), BucketError> {
        let now = clock::now();
        let counted = throttle_key.shared.iter().map(|key| async move {
            let tally = self.tallies.change(key, |former| Some(count_failure(former, now))).await?;
            if tally.is_some_and(|tally| tally.failures == FREE_FAILURES_TOTAL) {
                tracing::warn!(throttle_key = key, "many wrong passwords");
            }
            Ok(())
        });
        try_join_all(counted).await.map(drop)
    }

    async fn adjust(&self, key: &str, change: impl Fn(Tally) -> Tally) -> Result<(), BucketError> {
        self.tallies.change(key, |former| former.map(&change)).await.map(drop)
    }
}

fn count_failure(former: Option<Tally>, now: DateTime<Utc>) -> Tally {
    let (failures, known) = former.map_or((0, false), |tally| (recent_failures(&tally, now), tally.known));
    Tally { failures: failures.saturating_add(1), at: now, known }
}

fn recent_failures(tally: &Tally, now: DateTime<Utc>) -> u32 {
    if now - tally.at < FAILURE_LIFETIME { tally.failures } else { 0 }
}

/// The end of the wait: one second after the last free attempt, then twice as long each time.
fn wait_until(tally: &Tally, free: u32) -> Option<DateTime<Utc>> {
    let doublings = tally.failures.checked_sub(free)?.min(20);
    Some(tally.at + TimeDelta::seconds(1 << doublings).min(MAX_WAIT))
}

impl Error {
    fn too_many_attempts(wait: TimeDelta) -> Self {
        let wait = wait.to_std().unwrap_or(Duration::ZERO);
        let seconds = u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
        Code::TooManyAttempts.problem().retry_after(seconds).into()
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use service_kit::nats;
    use storage::JetStream;

    use super::*;

    #[test]
    fn after_five_wrong_passwords_each_one_costs_twice_as_long_up_to_a_quarter_of_an_hour() {
        let at = clock::now();
        let wait = |failures| {
            wait_until(&Tally { failures, at, known: false }, FREE_FAILURES).map(|end| (end - at).num_seconds())
        };
        assert_eq!((wait(0), wait(4)), (None, None));
        assert_eq!([wait(5), wait(6), wait(7), wait(14)], [Some(1), Some(2), Some(4), Some(512)]);
        assert_eq!((wait(15), wait(u32::MAX)), (Some(900), Some(900)));
    }

    /// The key of an account and an address.
    fn throttle_key(user: &str, address: &str) -> ThrottleKey {
        let shared = vec![format!("user.{user}"), format!("address.{address}")];
        ThrottleKey { own: format!("user.{user}.{address}"), shared }
    }

    async fn throttle(server: &harness::Nats) -> LoginThrottle {
        let client = nats::connect(&server.url(harness::Account::Command), "command-service").await.unwrap();
        LoginThrottle::new(LoginAttempts::new(JetStream::new(client)))
    }

    impl LoginThrottle {
        async fn attempt(&self, user: &str, address: &str, is_correct: bool) -> Result<bool, &'static str> {
            let result = self.check(&throttle_key(user, address), ready(Ok(is_correct))).await;
            result.map_err(|error| error.into_problem().code())
        }

        /// Raises a tally at the limit far above it, so that the wait is long.
        async fn raise_above_limit(&self, key: &str) {
            let more = |tally: Option<Tally>| tally.map(|tally| Tally { failures: FREE_FAILURES_TOTAL + 10, ..tally });
            let before = self.tallies.get(key).await.unwrap().unwrap();
            assert_eq!(before.failures, FREE_FAILURES_TOTAL, "{key}");
            self.tallies.change(key, more).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_hundred_wrong_passwords_block_an_account_or_an_address_except_for_known_clients() {
        let server = harness::Nats::start(1).await.unwrap();
        let throttle = throttle(&server).await;
        assert_eq!(throttle.attempt("ana", "home", true).await, Ok(true));
        // None of these addresses has to wait.
        for number in 0..FREE_FAILURES_TOTAL {
            assert_eq!(throttle.attempt("ana", &format!("from-{}", number / 4), false).await, Ok(false));
        }
        throttle.raise_above_limit("user.ana").await;
        assert_eq!(throttle.attempt("ana", "elsewhere", true).await, Err("too-many-attempts"));
        assert_eq!(throttle.attempt("ben", "elsewhere", true).await, Ok(true));
        assert_eq!(throttle.attempt("ana", "home", false).await, Ok(false));
        assert_eq!(throttle.attempt("ana", "home", true).await, Ok(true));

        assert_eq!(throttle.attempt("ben", "street", true).await, Ok(true));
        for number in 0..FREE_FAILURES_TOTAL {
            assert_eq!(throttle.attempt(&format!("user-{number}"), "street", false).await, Ok(false));
        }
        throttle.raise_above_limit("address.street").await;
        assert_eq!(throttle.attempt("cleo", "street", true).await, Err("too-many-attempts"));
        assert_eq!(throttle.attempt("cleo", "elsewhere", true).await, Ok(true));
        assert_eq!(throttle.attempt("ben", "street", true).await, Ok(true));
    }

    #[tokio::test]
    async fn a_hundred_wrong_passwords_of_many_users_block_a_room_except_for_known_users() {
        let server = harness::Nats::start(1).await.unwrap();
        let throttle = throttle(&server).await;
        let attempt = async |room: &str, user: &str, is_correct| {
            let throttle_key = ThrottleKey::room(&room.parse().unwrap(), &user.parse().unwrap());
            let result = throttle.check(&throttle_key, ready(Ok(is_correct))).await;
            result.map_err(|error| error.into_problem().code())
        };
        assert_eq!(attempt("b.1", "ana", true).await, Ok(true));
        for number in 0..FREE_FAILURES_TOTAL {
            assert_eq!(attempt("b.1", &format!("user-{}", number / 4), false).await, Ok(false));
        }
        throttle.raise_above_limit("room.b.1").await;
        assert_eq!(attempt("b.1", "ben", true).await, Err("too-many-attempts"));
        assert_eq!(attempt("b.1", "ana", true).await, Ok(true));
        assert_eq!(attempt("b.2", "ben", true).await, Ok(true));
    }

    #[test]
    fn attempts_expire_after_a_day() {
        let now = clock::now();
        let tally = |ago| Tally { failures: 7, at: now - ago, known: false };
        assert_eq!(recent_failures(&tally(TimeDelta::hours(23)), now), 7);
        assert_eq!(recent_failures(&tally(TimeDelta::hours(24)), now), 0);
    }
}
