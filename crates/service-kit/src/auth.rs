//! Authentication: access tokens (JWT), signed by the command-service or by an outside issuer, and verified by every
//! service.

mod cache;
mod claims;
mod issuer;
mod jwks;
mod ring;
mod signer;
mod trust;
mod verifier;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{StatusCode, header, request::Parts},
};
use chrono::{DateTime, Utc};
use domain::{BoxId, UserId};
use serde::{Deserialize, Serialize};
use wire::trust as names;

pub use issuer::{AllowedAlgorithm, KeySource};
pub use signer::{Grant, Signer};
pub use trust::Trust;
pub use verifier::Verifier;

use crate::problem::Problem;

/// The error of a key that cannot be read, or of a token that cannot be signed.
#[derive(Debug, thiserror::Error)]
#[error("not a usable Ed25519 key in PEM form")]
pub struct KeyError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl KeyError {
    fn of(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

/// The role of a caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A user, who orders and chats.
    User,
    /// An operator, who manages boxes and stores.
    Operator,
    /// This box.
    Device(BoxId),
}

impl Role {
    /// The name of the role, without the box. Stored in the keys of sessions; never rename.
    pub fn name(&self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Operator => "operator",
            Self::Device(_) => "device",
        }
    }

    /// Returns the role of this name. A box id is required for a device, and must be absent otherwise.
    pub fn named(name: &str, box_id: Option<BoxId>) -> Option<Self> {
        match (name, box_id) {
            ("user", None) => Some(Self::User),
            ("operator", None) => Some(Self::Operator),
            ("device", Some(box_id)) => Some(Self::Device(box_id)),
            _ => None,
        }
    }
}

/// The authenticated caller of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The id of the user, operator or box.
    pub user_id: UserId,
    /// The role of the caller.
    pub role: Role,
    /// The time at which the token was issued.
    pub issued_at: DateTime<Utc>,
    /// The time at which the token expires.
    pub expires_at: DateTime<Utc>,
    /// The session of the token. A token printed by an operator has none.
    pub session: Option<String>,
}

impl Caller {
    /// The key for revoking all tokens of this token's principal.
    pub fn subject_key(&self) -> String {
        names::subject_key(self.role.name(), &self.user_id)
    }

    /// Rejects all callers but operators.
    pub fn require_operator(&self) -> Result<(), Problem> {
        if self.role == Role::Operator { Ok(()) } else { Err(forbidden("requires the role `operator`")) }
    }

    /// Rejects all callers but users: operators and boxes have no nickname and order nothing.
    pub fn require_user(&self) -> Result<(), Problem> {
        if self.role == Role::User { Ok(()) } else { Err(forbidden("requires the role `user`")) }
    }

    /// Rejects boxes, which only report.
    pub fn require_person(&self) -> Result<(), Problem> {
        match self.role {
            Role::User | Role::Operator => Ok(()),
            Role::Device(_) => Err(forbidden("requires the role `user` or `operator`")),
        }
    }

    /// Rejects all callers but this box itself.
    pub fn require_device_of(&self, box_id: &BoxId) -> Result<(), Problem> {
        match &self.role {
            Role::Device(own) if own == box_id => Ok(()),
            Role::Device(_) | Role::User | Role::Operator => Err(forbidden("requires the role `device` of this box")),
        }
    }
}

/// The result of verifying a request's token before its handler runs.
#[derive(Clone)]
pub(crate) struct Authenticated(pub(crate) Result<Caller, Problem>);

fn forbidden(detail: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", "You may not do this").detail(detail)
}

fn unauthorized(code: &'static str, title: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, title)
}

fn invalid_token() -> Problem {
    unauthorized("invalid-token", "The access token is not valid")
}

impl<S> FromRequestParts<S> for Caller
where
    Verifier: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if let Some(Authenticated(caller)) = parts.extensions.get() {
            return caller.clone();
        }
        let missing = || unauthorized("missing-token", "This request needs an access token");
        let mut headers = parts.headers.get_all(header::AUTHORIZATION).iter();
        let header = headers.next().ok_or_else(missing)?;
        // A proxy may have checked the other one.
        if headers.next().is_some() {
            return Err(invalid_token());
        }
        let header = header.to_str().map_err(|_| invalid_token())?;
        let (scheme, token) = header.split_once(' ').ok_or_else(invalid_token)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(invalid_token());
        }
        Verifier::from_ref(state).check(token.trim()).await
    }
}

#[cfg(test)]
pub(crate) mod tests;
