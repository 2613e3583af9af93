//! Verification of signed tokens.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

/// The difference between clocks that is tolerated, in seconds.
pub(crate) const LEEWAY: u64 = 60;

/// Returns the claims of a token with a valid signature. Times and names are checked by the services.
pub(crate) fn claims(token: &str, algorithm: Algorithm, key: &DecodingKey) -> Option<Value> {
    let mut rules = Validation::new(algorithm);
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    rules.validate_aud = false;
    Some(jsonwebtoken::decode(token, key, &rules).ok()?.claims)
}

/// Returns a claim that is a time.
pub(crate) fn time(claims: &Value, name: &str) -> Option<u64> {
    claims[name].as_u64()
}

/// Returns the time of this machine's clock, in seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
