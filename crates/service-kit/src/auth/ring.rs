//! What a verifier knows: the keys, and the tokens that were revoked.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use domain::trust::{self, PublicKey, Revoked};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{
        AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, OctetKeyPairParameters,
        OctetKeyPairType, PublicKeyUse, ThumbprintHash,
    },
};
use serde::{Deserialize, Serialize};

use super::Caller;

/// All of it, as it is cached on disk.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Known {
    /// Our own keys, by their ids: also those that verify no more, so that nobody publishes them again.
    #[serde(default)]
    pub(super) published: BTreeMap<String, PublicKey>,
    /// The keys of an outside issuer.
    #[serde(default)]
    pub(super) outside: Vec<Jwk>,
    /// By the keys of [`domain::trust`].
    #[serde(default)]
    pub(super) revoked: BTreeMap<String, Revoked>,
}

/// A key that is ready to verify.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
    until: Option<DateTime<Utc>>,
}

/// What is known, ready to be asked.
#[derive(Default)]
pub(super) struct Ring {
    known: Known,
    /// Keys that this process signs with, known before anybody has heard of them.
    own: BTreeMap<String, PublicKey>,
    keys: HashMap<String, Key>,
}

impl Ring {
    pub(super) fn known(&self) -> &Known {
        &self.known
    }

    /// Replaces what is known. Says whether it was anything else.
    pub(super) fn learn(&mut self, known: Known) -> bool {
        if known == self.known {
            return false;
        }
        self.known = known;
        self.arrange();
        true
    }

    /// A key that this process signs with.
    pub(super) fn own(&mut self, id: &str, key: PublicKey) {
        self.own.insert(id.to_owned(), key);
        self.arrange();
    }

    fn arrange(&mut self) {
        // What is published counts: it says until when.
        let ours = self.own.iter().chain(&self.known.published);
        let ours = ours.filter_map(|(id, key)| Some((id.clone(), ready(&jwk_of(&key.x)?, key.verifies_until)?)));
        let outside = self.known.outside.iter();
        let outside = outside.filter_map(|jwk| Some((jwk.common.key_id.clone()?, ready(jwk, None)?)));
        self.keys = ours.chain(outside).collect();
    }

    /// The key of this id, unless its time is over.
    pub(super) fn key(&self, id: &str, now: DateTime<Utc>) -> Option<Key> {
        self.keys.get(id).filter(|key| key.until.is_none_or(|until| now < until)).cloned()
    }

    /// Whether there is any key that verifies.
    pub(super) fn verifies(&self, now: DateTime<Utc>) -> bool {
        self.keys.values().any(|key| key.until.is_none_or(|until| now < until))
    }

    /// Whether the token of this caller counts no more.
    pub(super) fn is_revoked(&self, caller: &Caller) -> bool {
        let session = caller.session.as_deref().map(trust::session_key);
        let subject = caller.subject_key();
        let revoked = [session.as_deref(), Some(&subject), Some(trust::ALL_TOKENS_KEY)]
            .into_iter()
            .flatten()
            .filter_map(|key| self.known.revoked.get(key))
            .max_by_key(|revoked| revoked.before);
        revoked.is_some_and(|revoked| caller.issued_at < revoked.before)
    }

    /// The public keys for whoever verifies tokens elsewhere.
    pub(super) fn jwks(&self, now: DateTime<Utc>) -> JwkSet {
        let published = self.known.published.values();
        let verifying = published.filter(|key| key.verifies_until.is_none_or(|until| now < until));
        JwkSet { keys: verifying.filter_map(|key| jwk_of(&key.x)).collect() }
    }
}

/// The key for the one algorithm that it is good for; none for keys of other kinds.
fn ready(jwk: &Jwk, until: Option<DateTime<Utc>>) -> Option<Key> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        _ => return None,
    };
    Some(Key { algorithm, decoding: DecodingKey::from_jwk(jwk).ok()?, until })
}

/// An Ed25519 key as a JWK, with its thumbprint as its id.
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
