//! Verifies access tokens with the current keys and revocations.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use chrono::{DateTime, Utc};
use jsonwebtoken::{Validation, errors::ErrorKind, jwk::JwkSet};
use moka::sync::Cache;
use serde::de::DeserializeOwned;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};
use wire::trust::PublicKey;

use super::{
    caller::{Caller, invalid_token, unauthorized},
    claims::{Claims, ISSUER},
    issuer::Issuer,
    trust_store::{Key, TrustState, TrustStore},
};
use crate::{clock, problem::Problem};

/// The maximum number of verified tokens in memory.
const MAX_VERIFIED: u64 = 20_000;

/// The longest time that a token with an unknown key waits for the key.
const KEY_TIMEOUT: Duration = Duration::from_secs(2);

/// Verifies access tokens. Cheap to clone. Clones share keys and revocations.
#[derive(Clone)]
pub struct Verifier(Arc<Shared>);

struct Shared {
    /// The external issuer of the accepted tokens. None if they come from the command-services.
    issuer: Option<Issuer>,
    store: RwLock<TrustStore>,
    /// Tokens whose signatures and claims are valid. Expiry, key and revocations are checked each time.
    verified: Cache<String, Arc<Verified>>,
    /// Notified when revocations change.
    revoked: watch::Sender<()>,
    /// Notified after each read of keys and revocations, successful or not.
    reads: watch::Sender<()>,
    /// Requests a read ahead of time.
    wanted: Notify,
    /// The earliest time of the next read caused by a token.
    not_before: RwLock<Instant>,
}

/// A token that was verified before.
struct Verified {
    caller: Caller,
    key_id: String,
    /// The revision of the keys. Another key may have the same id later.
    revision: u64,
}

/// The reasons for which a token is rejected.
enum Rejection {
    /// The key is unknown. It may be a new one.
    UnknownKey,
    /// The token is not valid.
    Problem(Problem),
}

impl Default for Verifier {
    fn default() -> Self {
        Self::of(None)
    }
}

impl Verifier {
    /// Creates a verifier of tokens from an external issuer, or from the command-services.
    pub(super) fn of(issuer: Option<Issuer>) -> Self {
        Self(Arc::new(Shared {
            issuer,
            store: RwLock::default(),
            verified: Cache::new(MAX_VERIFIED),
            revoked: watch::Sender::default(),
            reads: watch::Sender::default(),
            wanted: Notify::new(),
            not_before: RwLock::new(Instant::now()),
        }))
    }
}

impl Verifier {
    /// Returns the caller of this token. A token with an unknown key waits for the next read of the keys.
    pub async fn check(&self, token: &str) -> Result<Caller, Problem> {
        let mut reads = self.0.reads.subscribe();
        match self.verify(token) {
            Err(Rejection::UnknownKey) if Instant::now() >= *read(&self.0.not_before) => {
                self.0.wanted.notify_one();
                let _ = timeout(KEY_TIMEOUT, reads.changed()).await;
            }
            Err(Rejection::UnknownKey) => return Err(invalid_token()),
            Err(Rejection::Problem(problem)) => return Err(problem),
            Ok(caller) => return Ok(caller),
        }
        self.verify(token).map_err(|refused| match refused {
            Rejection::UnknownKey => invalid_token(),
            Rejection::Problem(problem) => problem,
        })
    }

    fn verify(&self, token: &str) -> Result<Caller, Rejection> {
        let caller = match self.verified_before(token) {
            Some(caller) => caller,
            None => self.verify_signature(token)?,
        };
        self.reject_revoked(&caller).map_err(Rejection::Problem)?;
        Ok(caller)
    }

    fn verified_before(&self, token: &str) -> Option<Caller> {
        let (known, now) = (self.0.verified.get(token)?, clock::now());
        let store = read(&self.0.store);
        let has_key = store.revision() == known.revision && store.has_key(&known.key_id, now);
        (has_key && now < known.caller.expires_at).then(|| known.caller.clone())
    }

    fn verify_signature(&self, token: &str) -> Result<Caller, Rejection> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Rejection::Problem(invalid_token()))?;
        let id = header.kid.ok_or_else(|| Rejection::Problem(invalid_token()))?;
        let (key, revision) = {
            let store = read(&self.0.store);
            (store.key(&id, clock::now()).ok_or(Rejection::UnknownKey)?, store.revision())
        };
        if header.alg != key.algorithm {
            return Err(Rejection::Problem(invalid_token()));
        }
        let caller = match &self.0.issuer {
            None => decode::<Claims>(token, &key, &own_rules(&key))
                .and_then(|claims| claims.into_caller().ok_or_else(invalid_token)),
            Some(issuer) => decode(token, &key, &issuer.rules(key.algorithm)).and_then(|claims| issuer.caller(&claims)),
        };
        let caller = caller.map_err(Rejection::Problem)?;
        self.0.verified.insert(token.to_owned(), Arc::new(Verified { caller: caller.clone(), key_id: id, revision }));
        Ok(caller)
    }

    /// Rejects a caller whose token has been revoked since it was verified.
    pub fn reject_revoked(&self, caller: &Caller) -> Result<(), Problem> {
        if read(&self.0.store).is_revoked(caller) {
            return Err(unauthorized("revoked-token", "The session of this access token has ended"));
        }
        Ok(())
    }

    /// Notifies of changes after which [`Self::reject_revoked`] may return another result.
    pub fn revocations(&self) -> watch::Receiver<()> {
        self.0.revoked.subscribe()
    }

    /// Returns true if tokens of an external issuer are accepted in place of those of the command-services.
    pub fn uses_external_issuer(&self) -> bool {
        self.0.issuer.is_some()
    }

    pub(super) fn issuer(&self) -> Option<&Issuer> {
        self.0.issuer.as_ref()
    }

    /// Returns true if at least one key verifies.
    pub fn has_keys(&self) -> bool {
        read(&self.0.store).verifies(clock::now())
    }

    /// Returns the public keys of the command-services, for verifiers outside the services.
    pub fn jwks(&self) -> JwkSet {
        read(&self.0.store).jwks(clock::now())
    }

    /// Returns the published keys of the command-services, also those that no longer verify.
    pub fn published(&self) -> BTreeMap<String, PublicKey> {
        read(&self.0.store).state().published.clone()
    }

    /// Also accepts tokens signed with this process's own key, published or not.
    pub fn add_own_key(&self, id: &str, public: &str, since: DateTime<Utc>) {
        let key = PublicKey { x: public.to_owned(), published_at: since, verifies_until: None };
        write(&self.0.store).add_own_key(id, key);
    }

    pub(super) fn state(&self) -> TrustState {
        read(&self.0.store).state().clone()
    }

    /// Replaces the keys and revocations. Returns true if they are different.
    pub(super) fn update(&self, state: TrustState) -> bool {
        let mut store = write(&self.0.store);
        let revocations_changed = store.state().revoked != state.revoked;
        let changed = store.update(state);
        drop(store);
        if revocations_changed {
            self.0.revoked.send_replace(());
        }
        changed
    }

    /// Waits until a token with an unknown key requests a read.
    pub(super) async fn read_requested(&self) {
        self.0.wanted.notified().await;
    }

    /// Records a read. Tokens cause no other read before `pause` has passed.
    pub(super) fn record_read(&self, pause: Duration) {
        *write(&self.0.not_before) = Instant::now() + pause;
        self.0.reads.send_replace(());
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

// No holder of these locks can panic in the middle of a change.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
