//! Throttles password guessing: after too many wrong passwords each further attempt waits twice as long.
//!
//! Attempts are counted per account (or box) and client address, and per room and user. An account also has a tally
//! over all addresses, and an address one over all accounts, both with a higher limit. An attacker could use these two
//! to lock out honest users, so they do not apply to an address from which the account's right password came before.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use credentials::{AttemptTallies, KeyedMutex, Tally};
use domain::{BoxId, RoomId, UserId};
use futures::future::try_join_all;
use service_kit::{clock, http::ClientAddress};
use storage::BucketError;

use crate::{error::Error, problems::Code, stamp::RequestSecret};

/// The number of wrong passwords before the first wait.
const FREE: u32 = 5;

/// The same limit for the tally of an account over all addresses, and of an address over all accounts.
const FREE_OVER_ALL: u32 = 100;

/// The longest wait.
const LONGEST: TimeDelta = TimeDelta::minutes(15);

/// The time without an attempt after which the failures before it no longer count.
const FORGOTTEN: TimeDelta = TimeDelta::days(1);

/// The throttle key of a password: the object that it opens, and the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ThrottleKey {
    own: String,
    over_all: Vec<String>,
}

impl ThrottleKey {
    /// The key of an account and a client address.
    pub(crate) fn account(secret: &RequestSecret, user_id: &UserId, from: ClientAddress) -> Self {
        Self::from(secret, &format!("user.{user_id}"), from)
    }

    /// The key of a box's credentials and a client address.
    pub(crate) fn of_box(secret: &RequestSecret, box_id: &BoxId, from: ClientAddress) -> Self {
        Self::from(secret, &format!("box.{box_id}"), from)
    }

    /// The key of a room and a user.
    pub(crate) fn room(room_id: &RoomId, user_id: &UserId) -> Self {
        Self { own: format!("room.{room_id}.{user_id}"), over_all: Vec::new() }
    }

    /// Stores a keyed hash in place of the client address.
    fn from(secret: &RequestSecret, what: &str, from: ClientAddress) -> Self {
        let address = secret.hash(&[b"address", from.to_string().as_bytes()]);
        Self { own: format!("{what}.{address}"), over_all: vec![what.to_owned(), format!("address.{address}")] }
    }
}

/// The tallies of all attempts. One instance per process.
pub(crate) struct Attempts {
    tallies: AttemptTallies,
    /// Serializes the attempts of one caller on one key, so that concurrent attempts are each counted.
    locks: KeyedMutex,
}

impl Attempts {
    /// Creates a throttle over these tallies.
    pub(crate) fn new(tallies: AttemptTallies) -> Self {
        Self { tallies, locks: KeyedMutex::default() }
    }

    /// Returns true if the password is right. Rejects the attempt without a check while the caller has to wait.
    pub(crate) async fn check(
        &self,
        throttle_key: &ThrottleKey,
        fits: impl Future<Output = Result<bool, Code>>,
    ) -> Result<bool, Error> {
        let _turn = self.locks.turn(&throttle_key.own).await;
        let known = self.admit(throttle_key).await?;
        // Counted before the check: a crash does not undo it.
        self.count(&throttle_key.own).await?;
        let fits = fits.await;
        match fits {
            Ok(false) if !known => self.count_over_all(throttle_key).await?,
            Ok(false) => {}
            Ok(true) => self.settle(&throttle_key.own, |tally| Tally { failures: 0, known: true, ..tally }).await?,
            // The password was not checked.
            Err(_) => {
                self.settle(&throttle_key.own, |tally| Tally { failures: tally.failures.saturating_sub(1), ..tally })
                    .await?;
            }
        }
        Ok(fits?)
    }

    /// Rejects a caller who has to wait. Returns true if the right password was given under this key before.
    async fn admit(&self, throttle_key: &ThrottleKey) -> Result<bool, Error> {
        let own = self.tallies.get(&throttle_key.own);
        let over_all = try_join_all(throttle_key.over_all.iter().map(|key| self.tallies.get(key)));
        let (own, over_all) = tokio::try_join!(own, over_all)?;
        let known = own.as_ref().is_some_and(|own| own.known);
        let others = over_all.iter().flatten().filter(|_| !known).map(|tally| wait_of(tally, FREE_OVER_ALL));
        let ends = own.iter().map(|tally| wait_of(tally, FREE)).chain(others);
        let now = clock::now();
        match ends.flatten().max().filter(|end| *end > now) {
            Some(end) => Err(Error::too_many_attempts(end - now)),
            None => Ok(known),
        }
    }

    async fn count(&self, key: &str) -> Result<(), Error> {
        let now = clock::now();
        // Another instance may have counted since.
        let unless_waiting = |former: Option<Tally>| match former.as_ref().and_then(|tally| wait_of(tally, FREE)) {
            Some(end) if end > now => None,
            _ => Some(one_more(former, now)),
        };
        match self.tallies.change(key, unless_waiting).await? {
            Some(_) => Ok(()),
            None => Err(Error::too_many_attempts(TimeDelta::seconds(1))),
        }
    }

    async fn count_over_all(&self, throttle_key: &ThrottleKey) -> Result<(), BucketError> {
        let now = clock::now();
        let counted = throttle_key.over_all.iter().map(|key| async move {
            let tally = self.tallies.change(key, |former| Some(one_more(former, now))).await?;
            if tally.is_some_and(|tally| tally.failures == FREE_OVER_ALL) {
                tracing::warn!(throttle_key = key, "many wrong passwords");
            }
            Ok(())
        });
        try_join_all(counted).await.map(drop)
    }

    async fn settle(&self, key: &str, change: impl Fn(Tally) -> Tally) -> Result<(), BucketError> {
        self.tallies.change(key, |former| former.map(&change)).await.map(drop)
    }
}

fn one_more(former: Option<Tally>, now: DateTime<Utc>) -> Tally {
    let (failures, known) = former.map_or((0, false), |tally| (remembered(&tally, now), tally.known));
    Tally { failures: failures.saturating_add(1), at: now, known }
}

fn remembered(tally: &Tally, now: DateTime<Utc>) -> u32 {
    if now - tally.at < FORGOTTEN { tally.failures } else { 0 }
}

/// The end of the wait: one second after the last free attempt, then twice as long each time.
fn wait_of(tally: &Tally, free: u32) -> Option<DateTime<Utc>> {
    let doublings = tally.failures.checked_sub(free)?.min(20);
    Some(tally.at + TimeDelta::seconds(1 << doublings).min(LONGEST))
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
        let wait = |failures| wait_of(&Tally { failures, at, known: false }, FREE).map(|end| (end - at).num_seconds());
        assert_eq!((wait(0), wait(4)), (None, None));
        assert_eq!([wait(5), wait(6), wait(7), wait(14)], [Some(1), Some(2), Some(4), Some(512)]);
        assert_eq!((wait(15), wait(u32::MAX)), (Some(900), Some(900)));
    }

    /// The key of an account and an address.
    fn throttle_key(user: &str, address: &str) -> ThrottleKey {
        let over_all = vec![format!("user.{user}"), format!("address.{address}")];
        ThrottleKey { own: format!("user.{user}.{address}"), over_all }
    }

    impl Attempts {
        async fn attempt(&self, user: &str, address: &str, fits: bool) -> Result<bool, &'static str> {
            let looked_at = self.check(&throttle_key(user, address), ready(Ok(fits))).await;
            looked_at.map_err(|error| error.into_problem().code())
        }

        /// Raises a tally at the limit far above it, so that the wait is long.
        async fn goes_on(&self, key: &str) {
            let more = |tally: Option<Tally>| tally.map(|tally| Tally { failures: FREE_OVER_ALL + 10, ..tally });
            let before = self.tallies.get(key).await.unwrap().unwrap();
            assert_eq!(before.failures, FREE_OVER_ALL, "{key}");
            self.tallies.change(key, more).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_hundred_wrong_passwords_block_an_account_or_an_address_except_for_known_clients() {
        let server = harness::Nats::start(1).await.unwrap();
        let client = nats::connect(&server.url(harness::Account::Command), "command-service").await.unwrap();
        let attempts = Attempts::new(AttemptTallies::new(JetStream::new(client)));
        assert_eq!(attempts.attempt("ana", "home", true).await, Ok(true));
        // No address of these has to wait itself.
        for number in 0..FREE_OVER_ALL {
            assert_eq!(attempts.attempt("ana", &format!("from-{}", number / 4), false).await, Ok(false));
        }
        attempts.goes_on("user.ana").await;
        assert_eq!(attempts.attempt("ana", "elsewhere", true).await, Err("too-many-attempts"));
        assert_eq!(attempts.attempt("ben", "elsewhere", true).await, Ok(true));
        assert_eq!(attempts.attempt("ana", "home", false).await, Ok(false));
        assert_eq!(attempts.attempt("ana", "home", true).await, Ok(true));

        assert_eq!(attempts.attempt("ben", "street", true).await, Ok(true));
        for number in 0..FREE_OVER_ALL {
            assert_eq!(attempts.attempt(&format!("user-{number}"), "street", false).await, Ok(false));
        }
        attempts.goes_on("address.street").await;
        assert_eq!(attempts.attempt("cleo", "street", true).await, Err("too-many-attempts"));
        assert_eq!(attempts.attempt("cleo", "elsewhere", true).await, Ok(true));
        assert_eq!(attempts.attempt("ben", "street", true).await, Ok(true));
    }

    #[test]
    fn attempts_expire_after_a_day() {
        let now = clock::now();
        let tally = |ago| Tally { failures: 7, at: now - ago, known: false };
        assert_eq!(remembered(&tally(TimeDelta::hours(23)), now), 7);
        assert_eq!(remembered(&tally(TimeDelta::hours(24)), now), 0);
    }
}
