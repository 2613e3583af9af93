//! Who calls: access tokens (JWT), signed by the command-service or by an outside issuer, and verified by everybody.

mod bucket;
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
use domain::{BoxId, UserId, trust as names};
use serde::{Deserialize, Serialize};

pub use issuer::{AllowedAlgorithm, KeySource};
pub use signer::{Grant, Signer};
pub use trust::Trust;
pub use verifier::Verifier;

use crate::problem::Problem;

/// A key or a token that cannot be made or read.
#[derive(Debug, thiserror::Error)]
#[error("not a usable Ed25519 key in PEM form")]
pub struct KeyError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl KeyError {
    fn of(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

/// What a caller may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Orders and chats.
    User,
    /// Looks after boxes and stores.
    Operator,
    /// Is this box.
    Device(BoxId),
}

impl Role {
    /// The role without what it is bound to. Stored in the names of sessions; never rename.
    pub fn name(&self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Operator => "operator",
            Self::Device(_) => "device",
        }
    }

    /// The role of this name, which of the three only a device's binds to a box.
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
    /// Who.
    pub user_id: UserId,
    /// What they may do.
    pub role: Role,
    /// When the token was issued.
    pub issued_at: DateTime<Utc>,
    /// Until when the token speaks for them.
    pub expires_at: DateTime<Utc>,
    /// The session that the token belongs to; a printed one has none.
    pub session: Option<String>,
}

impl Caller {
    /// Where a revocation of all that this token's bearer has would stand.
    pub fn subject_key(&self) -> String {
        names::subject_key(self.role.name(), &self.user_id)
    }

    /// Refuses everybody but operators.
    pub fn require_operator(&self) -> Result<(), Problem> {
        if self.role == Role::Operator { Ok(()) } else { Err(forbidden("only operators may do this")) }
    }

    /// Refuses everybody but users: operators and devices have no nickname and order nothing.
    pub fn require_user(&self) -> Result<(), Problem> {
        if self.role == Role::User { Ok(()) } else { Err(forbidden("only users may do this")) }
    }

    /// Refuses boxes, which only report.
    pub fn require_person(&self) -> Result<(), Problem> {
        match self.role {
            Role::User | Role::Operator => Ok(()),
            Role::Device(_) => Err(forbidden("boxes may not do this")),
        }
    }

    /// Refuses everybody but this box itself.
    pub fn require_device_of(&self, box_id: &BoxId) -> Result<(), Problem> {
        match &self.role {
            Role::Device(own) if own == box_id => Ok(()),
            Role::Device(_) | Role::User | Role::Operator => Err(forbidden("only the box itself may do this")),
        }
    }
}

/// What was found out of a request's token before its handler asks.
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
        // A proxy may have looked at the other one.
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
