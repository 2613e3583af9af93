//! The keys and revocations of a verifier.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{
        AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, OctetKeyPairParameters,
        OctetKeyPairType, PublicKeyUse, ThumbprintHash,
    },
};
use serde::{Deserialize, Serialize};
use wire::trust::{self, PublicKey, Revoked};

use super::caller::Caller;

/// The keys and revocations, as cached on disk.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct TrustState {
    /// The keys of the command-services by id, also those that no longer verify, so that they are not published again.
    #[serde(default)]
    pub(super) published: BTreeMap<String, PublicKey>,
    /// The keys of an external issuer.
    #[serde(default)]
    pub(super) outside: Vec<Jwk>,
    /// The revocations, by the keys of [`wire::trust`].
    #[serde(default)]
    pub(super) revoked: BTreeMap<String, Revoked>,
}

impl TrustState {
    fn has_same_keys(&self, other: &Self) -> bool {
        (&self.published, &self.outside) == (&other.published, &other.outside)
    }
}

/// A key prepared for verifying.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
    until: Option<DateTime<Utc>>,
}

/// The keys and revocations, prepared for verifying.
#[derive(Default)]
pub(super) struct TrustStore {
    state: TrustState,
    /// Keys with which this process signs, also while they are not yet published.
    own_keys: BTreeMap<String, PublicKey>,
    keys: HashMap<String, Key>,
    /// Changes when a known key may have been replaced.
    revision: u64,
}

impl TrustStore {
    pub(super) fn state(&self) -> &TrustState {
        &self.state
    }

    /// Replaces the keys and revocations. Returns true if they are different.
    pub(super) fn update(&mut self, state: TrustState) -> bool {
        if state == self.state {
            return false;
        }
        if !self.state.has_same_keys(&state) {
            self.revision += 1;
        }
        self.state = state;
        self.rebuild_keys();
        true
    }

    /// Adds a key with which this process signs.
    pub(super) fn add_own_key(&mut self, id: &str, key: PublicKey) {
        self.own_keys.insert(id.to_owned(), key);
        self.rebuild_keys();
    }

    fn rebuild_keys(&mut self) {
        // A published key replaces the own entry, because it holds the time until which it verifies.
        let ours = self.own_keys.iter().chain(&self.state.published);
        let ours = ours.filter_map(|(id, key)| Some((id.clone(), prepare_key(&jwk_of(&key.x)?, key.verifies_until)?)));
        let outside = self.state.outside.iter();
        let outside = outside.filter_map(|jwk| Some((jwk.common.key_id.clone()?, prepare_key(jwk, None)?)));
        self.keys = ours.chain(outside).collect();
    }

    /// Returns the key with this id, unless it no longer verifies.
    pub(super) fn key(&self, id: &str, now: DateTime<Utc>) -> Option<Key> {
        self.keys.get(id).filter(|key| key.until.is_none_or(|until| now < until)).cloned()
    }

    /// Returns a number that changes when a known key may have been replaced.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Returns true if there is a key with this id that verifies.
    pub(super) fn has_key(&self, id: &str, now: DateTime<Utc>) -> bool {
        self.keys.get(id).is_some_and(|key| key.until.is_none_or(|until| now < until))
    }

    /// Returns true if at least one key verifies.
    pub(super) fn verifies(&self, now: DateTime<Utc>) -> bool {
        self.keys.values().any(|key| key.until.is_none_or(|until| now < until))
    }

    /// Returns true if the token of this caller is revoked.
    pub(super) fn is_revoked(&self, caller: &Caller) -> bool {
        let session = caller.session.as_deref().map(trust::session_key);
        let subject = caller.subject_key();
        let revoked = [session.as_deref(), Some(&subject), Some(trust::ALL_TOKENS_KEY)]
            .into_iter()
            .flatten()
            .filter_map(|key| self.state.revoked.get(key))
            .max_by_key(|revoked| revoked.before);
        revoked.is_some_and(|revoked| caller.issued_at < revoked.before)
    }

    /// Returns the public keys for verifiers outside the services.
    pub(super) fn jwks(&self, now: DateTime<Utc>) -> JwkSet {
        let published = self.state.published.values();
        let verifying = published.filter(|key| key.verifies_until.is_none_or(|until| now < until));
        JwkSet { keys: verifying.filter_map(|key| jwk_of(&key.x)).collect() }
    }
}

/// Prepares a key for its only algorithm. None for other types of keys.
fn prepare_key(jwk: &Jwk, until: Option<DateTime<Utc>>) -> Option<Key> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        _ => return None,
    };
    Some(Key { algorithm, decoding: DecodingKey::from_jwk(jwk).ok()?, until })
}

/// Returns an Ed25519 key as a JWK. The id is its thumbprint.
pub(super) fn jwk_of(x: &str) -> Option<Jwk> {
    let pair = OctetKeyPairParameters {
        key_type: OctetKeyPairType::OctetKeyPair,
        curve: EllipticCurve::Ed25519,
        x: x.to_owned(),
    };
    let common = CommonParameters {
        key_algorithm: Some(KeyAlgorithm::EdDSA),
        public_key_use: Some(PublicKeyUse::Signature),
        ..CommonParameters::default()
    };
    let mut jwk = Jwk { common, algorithm: AlgorithmParameters::OctetKeyPair(pair) };
    jwk.common.key_id = Some(jwk.thumbprint(ThumbprintHash::SHA256).ok()?);
    Some(jwk)
}
