//! Authentication: access tokens (JWT), signed by the command-service or by an external issuer, and verified by every
//! service.

mod cache;
mod caller;
mod claims;
mod extract;
mod issuer;
mod jwks;
mod signer;
mod trust;
mod trust_store;
mod verifier;

pub use caller::{Caller, Role};
pub(crate) use extract::Authenticated;
pub use extract::{AsModerator, AsOperator, AsPerson, AsUser};
pub use issuer::{AllowedAlgorithm, IssuerArgs, KeySource};
pub use signer::{Grant, KeyError, Signer};
pub use trust::{Trust, TrustArgs};
pub use verifier::Verifier;

#[cfg(test)]
pub(crate) mod tests;
