//! The keys that sign access tokens: read from a folder, published before they sign, and superseded by newer ones.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use anyhow::{Result, anyhow};
use chrono::{DateTime, TimeDelta, Utc};
use credentials::SigningKeys;
use service_kit::{
    auth::{Grant, Signer, Verifier},
    clock,
};
use sign_in::KeyFolder;
use storage::BucketError;
use supervision::ticks::next_tick;
use tokio::{sync::Mutex, time::sleep_until};
use wire::trust::PublicKey;

use crate::{error::Error, problems::Code, server_clock::ServerClock, settings::SigningArgs};

/// The time between two reads of the folder and of the published keys.
const READ_INTERVAL: Duration = Duration::from_secs(1);

/// The number of reads after which the newest key is published again, in case the bucket has lost it.
const REPUBLISH: u32 = 60;

/// Signs tokens with the current key. One instance per process.
pub(crate) struct Signing {
    folder: Mutex<KeyFolder>,
    timing: Timing,
    keys: SigningKeys,
    verifier: Verifier,
    current: RwLock<Option<Current>>,
}

/// The timing of key rotation.
#[derive(Debug, Clone, Copy)]
struct Timing {
    /// The time from the publication of a key until it signs.
    lead: TimeDelta,
    /// The time from the first signature of the next key until the key no longer verifies.
    retention: TimeDelta,
}

/// The current key.
#[derive(Clone)]
struct Current {
    signer: Signer,
    /// The end of the key's validity. No token may outlive it.
    until: Option<DateTime<Utc>>,
}

impl Signing {
    /// Opens the folder, which must hold a key. Returns `None` if an external issuer signs the tokens.
    pub(crate) fn open(args: &SigningArgs, keys: SigningKeys, verifier: Verifier) -> Result<Option<Self>> {
        let Some(folder) = args.signing_keys.as_deref().filter(|_| !verifier.uses_external_issuer()) else {
            return Ok(None);
        };
        let folder = KeyFolder::open(folder)?;
        let now = clock::now();
        for signer in folder.keys() {
            verifier.add_own_key(signer.id(), signer.public(), now);
        }
        let timing = Timing { lead: args.key_lead, retention: args.key_retention };
        Ok(Some(Self { folder: Mutex::new(folder), timing, keys, verifier, current: RwLock::default() }))
    }

    /// Returns a signed token and its lifetime, or `log-unavailable` while no key is published.
    pub(crate) fn sign(&self, grant: Grant<'_>) -> Result<(String, TimeDelta), Error> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let current = current.ok_or_else(|| Error::log_unavailable("no key is published yet", false))?;
        let left = current.until.map_or(grant.lifetime, |until| until - grant.at);
        let lifetime = grant.lifetime.min(left);
        let token = current.signer.sign(Grant { lifetime, ..grant });
        let token = token.map_err(|error| {
            tracing::error!(%error, "a token cannot be signed");
            Code::Internal
        })?;
        Ok((token, lifetime))
    }

    /// Returns true if a key may sign.
    pub(crate) fn is_ready(&self) -> bool {
        self.current.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Maintains the keys. Never returns.
    pub(crate) async fn maintain(&self, clock: &ServerClock) {
        let (mut last_error, mut updates) = (String::new(), 0_u32);
        loop {
            let result = match clock.known_offset().await {
                None => self.update(updates.is_multiple_of(REPUBLISH)).await,
                // Times written by a wrong clock would end the keys of all instances.
                Some(error_text) => Err(anyhow!(error_text)),
            };
            match result {
                Ok(()) => {
                    last_error.clear();
                    updates = updates.wrapping_add(1);
                }
                Err(error) => {
                    let error_text = format!("{error:#}");
                    if error_text != last_error {
                        tracing::warn!("the signing keys cannot be maintained: {error_text}");
                        last_error = error_text;
                    }
                }
            }
            sleep_until(next_tick(READ_INTERVAL)).await;
        }
    }

    async fn update(&self, republish: bool) -> Result<()> {
        let (published, now) = (self.verifier.published(), clock::now());
        let mut folder = self.folder.lock().await;
        let signers = folder.read()?;
        if let Some(newest) = signers.last() {
            self.publish(newest, published.get(newest.id()), republish).await?;
        }
        let own: Vec<&str> = signers.iter().map(Signer::id).collect();
        let chosen = choose(&own, &published, self.timing.lead, now);
        if let Some(id) = chosen.filter(|id| may_sign(&published[*id], self.timing.lead, now)) {
            self.supersede(&published, id, now).await?;
        }
        let current = chosen.and_then(|id| {
            let signer = signers.iter().find(|signer| signer.id() == id)?.clone();
            Some(Current { signer, until: published[id].verifies_until })
        });
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
        Ok(())
    }

    /// Publishes the newest key of the folder if it is unknown. With `republish` also a known one, because a cache may
    /// know it from a lost bucket. Older unknown keys stay unpublished: they belong to a lost log and may have been
    /// replaced for a reason.
    async fn publish(&self, newest: &Signer, known: Option<&PublicKey>, republish: bool) -> Result<(), BucketError> {
        let is_lost = |key: &PublicKey| republish && key.verifies_until.is_none();
        if !known.is_none_or(is_lost) {
            return Ok(());
        }
        let key = PublicKey { x: newest.public().to_owned(), published_at: clock::now(), verifies_until: None };
        if self.keys.publish(newest.id(), &key).await? {
            tracing::info!(key.id = newest.id(), "published a signing key");
        }
        Ok(())
    }

    /// Ends the validity of every key that was published before the current one.
    async fn supersede(
        &self,
        published: &BTreeMap<String, PublicKey>,
        by: &str,
        now: DateTime<Utc>,
    ) -> Result<(), BucketError> {
        let since = published[by].published_at;
        let older = published.iter().filter(|(_, key)| key.published_at < since && key.verifies_until.is_none());
        for (id, _) in older {
            let until = now + self.timing.retention;
            match self.keys.supersede(id, until).await {
                Err(BucketError::Conflict(_)) => {}
                result => result?,
            }
            tracing::info!(key.id = id, %until, "superseded a signing key");
        }
        Ok(())
    }
}

/// Chooses the newest key that all services have had time to learn. If there is none, the last own key that still
/// verifies (a newer one is published that this process does not have yet), else the first one.
fn choose<'a>(
    own: &[&'a str],
    published: &BTreeMap<String, PublicKey>,
    lead: TimeDelta,
    now: DateTime<Utc>,
) -> Option<&'a str> {
    let known = || own.iter().filter_map(|id| Some((*id, published.get(*id)?)));
    let fresh = || known().filter(|(_, key)| key.verifies_until.is_none());
    let usable = fresh().filter(|(_, key)| may_sign(key, lead, now)).max_by_key(|(_, key)| key.published_at);
    let first = || fresh().min_by_key(|(_, key)| key.published_at);
    let last = || known().filter(|(_, key)| key.verifies_until > Some(now)).max_by_key(|(_, key)| key.verifies_until);
    usable.or_else(last).or_else(first).map(|(id, _)| id)
}

fn may_sign(key: &PublicKey, lead: TimeDelta, now: DateTime<Utc>) -> bool {
    key.published_at + lead <= now
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAD: TimeDelta = TimeDelta::seconds(60);

    fn key(published: i64, verifies_until: Option<i64>) -> PublicKey {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        PublicKey { x: String::new(), published_at: at(published), verifies_until: verifies_until.map(at) }
    }

    fn chosen(own: &[&'static str], published: &[(&str, PublicKey)], now: i64) -> Option<&'static str> {
        let published = published.iter().map(|(id, key)| ((*id).to_owned(), key.clone())).collect();
        choose(own, &published, LEAD, DateTime::from_timestamp(now, 0).unwrap())
    }

    #[test]
    fn the_first_key_signs_at_once_and_later_keys_after_a_distribution_delay() {
        assert_eq!(chosen(&["a"], &[], 0), None, "not before it is published");
        assert_eq!(chosen(&["a"], &[("a", key(100, None))], 100), Some("a"));
        let both = [("a", key(0, None)), ("b", key(100, None))];
        assert_eq!(chosen(&["a", "b"], &both, 159), Some("a"));
        assert_eq!(chosen(&["a", "b"], &both, 160), Some("b"));
    }

    #[test]
    fn a_service_without_the_newest_key_signs_with_the_former_one_while_it_verifies() {
        let published = [("a", key(0, Some(300))), ("b", key(100, None))];
        assert_eq!(chosen(&["a"], &published, 299), Some("a"));
        assert_eq!(chosen(&["a"], &published, 300), None);
        assert_eq!(chosen(&["a", "b"], &published, 299), Some("b"));
    }

    #[test]
    fn a_key_that_no_longer_verifies_never_signs_again() {
        let published = [("a", key(0, Some(300))), ("b", key(400, None))];
        assert_eq!(chosen(&["a", "b"], &published, 401), Some("b"), "it is not ripe, but there is no other");
        assert_eq!(chosen(&["a"], &published, 401), None);
    }
}
