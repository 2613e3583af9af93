//! Verifies access tokens against what is known at the moment.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use chrono::{DateTime, Utc};
use domain::trust::PublicKey;
use jsonwebtoken::{Validation, errors::ErrorKind, jwk::JwkSet};
use serde::de::DeserializeOwned;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};

use super::{
    Caller,
    claims::{Claims, ISSUER},
    invalid_token,
    issuer::Issuer,
    ring::{Key, Known, Ring},
    unauthorized,
};
use crate::{clock, problem::Problem};

/// How long a token with an unknown key may wait for the key.
const PATIENCE: Duration = Duration::from_secs(2);

/// Verifies access tokens. Cheap to clone; all clones know the same.
#[derive(Clone)]
pub struct Verifier(Arc<Shared>);

struct Shared {
    /// Whose tokens count; our own if nobody else's.
    issuer: Option<Issuer>,
    ring: RwLock<Ring>,
    /// Told whenever something was revoked, or not revoked any more.
    revoked: watch::Sender<()>,
    /// Told after each look for what is new, whatever came of it.
    looked: watch::Sender<()>,
    /// Asks for a look before its time.
    wanted: Notify,
    /// Before this nobody looks because of a token.
    not_before: RwLock<Instant>,
}

/// Why a token does not speak for anybody.
enum Refused {
    /// Its key may be a new one.
    UnknownKey,
    /// For good.
    For(Problem),
}

impl Default for Verifier {
    fn default() -> Self {
        Self::of(None)
    }
}

impl Verifier {
    /// Of the tokens of an outside issuer, or of our own.
    pub(super) fn of(issuer: Option<Issuer>) -> Self {
        Self(Arc::new(Shared {
            issuer,
            ring: RwLock::default(),
            revoked: watch::Sender::default(),
            looked: watch::Sender::default(),
            wanted: Notify::new(),
            not_before: RwLock::new(Instant::now()),
        }))
    }
}

impl Verifier {
    /// The caller for whom this token speaks. A token whose key is unknown waits for a look for new keys.
    pub async fn check(&self, token: &str) -> Result<Caller, Problem> {
        let mut looked = self.0.looked.subscribe();
        match self.verify(token) {
            Err(Refused::UnknownKey) if Instant::now() >= *read(&self.0.not_before) => {
                self.0.wanted.notify_one();
                let _ = timeout(PATIENCE, looked.changed()).await;
            }
            Err(Refused::UnknownKey) => return Err(invalid_token()),
            Err(Refused::For(problem)) => return Err(problem),
            Ok(caller) => return Ok(caller),
        }
        self.verify(token).map_err(|refused| match refused {
            Refused::UnknownKey => invalid_token(),
            Refused::For(problem) => problem,
        })
    }

    fn verify(&self, token: &str) -> Result<Caller, Refused> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refused::For(invalid_token()))?;
        let id = header.kid.ok_or_else(|| Refused::For(invalid_token()))?;
        let key = read(&self.0.ring).key(&id, clock::now()).ok_or(Refused::UnknownKey)?;
        if header.alg != key.algorithm {
            return Err(Refused::For(invalid_token()));
        }
        let caller = match &self.0.issuer {
            None => decode::<Claims>(token, &key, &own_rules(&key))
                .and_then(|claims| claims.into_caller().ok_or_else(invalid_token)),
            Some(issuer) => decode(token, &key, &issuer.rules(key.algorithm)).and_then(|claims| issuer.caller(&claims)),
        };
        let caller = caller.map_err(Refused::For)?;
        self.refuse_revoked(&caller).map_err(Refused::For)?;
        Ok(caller)
    }

    /// Refuses a caller whose token has been revoked since it was verified.
    pub fn refuse_revoked(&self, caller: &Caller) -> Result<(), Problem> {
        if read(&self.0.ring).is_revoked(caller) {
            return Err(unauthorized("revoked-token", "The session of this access token has ended"));
        }
        Ok(())
    }

    /// Tells whenever [`Self::refuse_revoked`] may have another answer.
    pub fn revocations(&self) -> watch::Receiver<()> {
        self.0.revoked.subscribe()
    }

    /// Whether the tokens of an outside issuer count, and none of ours.
    pub fn is_of_outside(&self) -> bool {
        self.0.issuer.is_some()
    }

    pub(super) fn issuer(&self) -> Option<&Issuer> {
        self.0.issuer.as_ref()
    }

    /// Whether any token can be verified at all.
    pub fn has_keys(&self) -> bool {
        read(&self.0.ring).verifies(clock::now())
    }

    /// Our own public keys, for whoever verifies our tokens.
    pub fn jwks(&self) -> JwkSet {
        read(&self.0.ring).jwks(clock::now())
    }

    /// Our own keys as they were published, also those that verify no more.
    pub fn published(&self) -> BTreeMap<String, PublicKey> {
        read(&self.0.ring).known().published.clone()
    }

    /// Also verifies what this process signs with a key of its own, whether that has been published or not.
    pub fn trust_own(&self, id: &str, public: &str, since: DateTime<Utc>) {
        let key = PublicKey { x: public.to_owned(), published_at: since, verifies_until: None };
        write(&self.0.ring).own(id, key);
    }

    pub(super) fn known(&self) -> Known {
        read(&self.0.ring).known().clone()
    }

    /// Says whether that was new.
    pub(super) fn learn(&self, known: Known) -> bool {
        let mut ring = write(&self.0.ring);
        let revoked_else = ring.known().revoked != known.revoked;
        let changed = ring.learn(known);
        drop(ring);
        if revoked_else {
            self.0.revoked.send_replace(());
        }
        changed
    }

    /// Ends when a token has come with an unknown key.
    pub(super) async fn look_wanted(&self) {
        self.0.wanted.notified().await;
    }

    /// There was a look; the next one because of a token is not to come before `pause` has passed.
    pub(super) fn has_looked(&self, pause: Duration) {
        *write(&self.0.not_before) = Instant::now() + pause;
        self.0.looked.send_replace(());
    }
}

fn own_rules(key: &Key) -> Validation {
    let mut validation = Validation::new(key.algorithm);
    validation.leeway = 0;
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "iss", "sub"]);
    validation.validate_aud = false;
    validation
}

fn decode<C: DeserializeOwned + Clone>(token: &str, key: &Key, rules: &Validation) -> Result<C, Problem> {
    match jsonwebtoken::decode::<C>(token, &key.decoding, rules) {
        Ok(token) => Ok(token.claims),
        Err(error) if matches!(error.kind(), ErrorKind::ExpiredSignature) => {
            Err(unauthorized("expired-token", "The access token has expired"))
        }
        Err(_) => Err(invalid_token()),
    }
}

// Nothing that holds these locks can panic in the middle of a change.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
