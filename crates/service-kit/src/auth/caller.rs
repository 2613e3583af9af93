//! The authenticated caller of a request, and the checks of its role.

use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{BoxId, UserId};
use serde::{Deserialize, Serialize};
use wire::trust as names;

use crate::problem::Problem;

/// The role of a caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A user, who orders and chats.
    User,
    /// An operator, who manages boxes and stores.
    Operator,
    /// A moderator, who acts against abuse.
    Moderator,
    /// This box.
    Device(BoxId),
}

impl Role {
    /// The name of the role, without the box. Stored in the keys of sessions; never rename.
    pub fn name(&self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Operator => "operator",
            Self::Moderator => "moderator",
            Self::Device(_) => "device",
        }
    }

    /// Returns the role of this name. A box id is required for a device, and must be absent otherwise.
    pub fn named(name: &str, box_id: Option<BoxId>) -> Option<Self> {
        match (name, box_id) {
            ("user", None) => Some(Self::User),
            ("operator", None) => Some(Self::Operator),
            ("moderator", None) => Some(Self::Moderator),
            ("device", Some(box_id)) => Some(Self::Device(box_id)),
            _ => None,
        }
    }
}

/// The authenticated caller of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The id of the user, operator, moderator or box.
    pub user_id: UserId,
    /// The role of the caller.
    pub role: Role,
    /// The time at which the token was issued.
    pub issued_at: DateTime<Utc>,
    /// The time at which the token expires.
    pub expires_at: DateTime<Utc>,
    /// The session of the token. A token printed by an operator has none.
    pub session: Option<String>,
    /// The time at which the caller last proved its identity. None if it is unknown.
    #[serde(default)]
    pub authenticated_at: Option<DateTime<Utc>>,
}

impl Caller {
    /// The key for revoking all tokens of this token's principal.
    pub fn subject_key(&self) -> String {
        names::subject_key(self.role.name(), &self.user_id)
    }

    /// Returns true if the caller proved its identity at most this long ago.
    pub fn has_authenticated_within(&self, age: TimeDelta, now: DateTime<Utc>) -> bool {
        self.authenticated_at.is_some_and(|at| now - at <= age)
    }

    /// Rejects all callers but operators.
    pub fn require_operator(&self) -> Result<(), Problem> {
        if self.role == Role::Operator { Ok(()) } else { Err(forbidden("requires the role `operator`")) }
    }

    /// Rejects all callers but moderators and operators, who may do what moderators may.
    pub fn require_moderator(&self) -> Result<(), Problem> {
        match self.role {
            Role::Moderator | Role::Operator => Ok(()),
            Role::User | Role::Device(_) => Err(forbidden("requires the role `moderator` or `operator`")),
        }
    }

    /// Rejects all callers but users: operators, moderators and boxes have no nickname and order nothing.
    pub fn require_user(&self) -> Result<(), Problem> {
        if self.role == Role::User { Ok(()) } else { Err(forbidden("requires the role `user`")) }
    }

    /// Rejects boxes, which only report.
    pub fn require_person(&self) -> Result<(), Problem> {
        match self.role {
            Role::User | Role::Operator | Role::Moderator => Ok(()),
            Role::Device(_) => Err(forbidden("requires the role `user`, `operator` or `moderator`")),
        }
    }

    /// Rejects all callers but this box itself.
    pub fn require_device_of(&self, box_id: &BoxId) -> Result<(), Problem> {
        match &self.role {
            Role::Device(own) if own == box_id => Ok(()),
            Role::Device(_) | Role::User | Role::Operator | Role::Moderator => {
                Err(forbidden("requires the role `device` of this box"))
            }
        }
    }
}

fn forbidden(detail: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", "You may not do this").detail(detail)
}

pub(super) fn unauthorized(code: &'static str, title: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, title)
}

pub(super) fn invalid_token() -> Problem {
    unauthorized("invalid-token", "The access token is not valid")
}
