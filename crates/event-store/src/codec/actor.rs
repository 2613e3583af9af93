//! The role in which a command is sent. Together with the id it identifies the principal.

use serde::{Deserialize, Serialize};

/// The role of an actor. The names are stored; never rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorRole {
    /// A registered user.
    User,
    /// An operator.
    Operator,
    /// A moderator.
    Moderator,
    /// A box.
    Device,
    /// The system itself: deadlines and erasures.
    System,
}

impl ActorRole {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Operator => "operator",
            Self::Moderator => "moderator",
            Self::Device => "device",
            Self::System => "system",
        }
    }

    /// Returns the role of a stored name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::User, Self::Operator, Self::Moderator, Self::Device, Self::System]
            .into_iter()
            .find(|role| role.as_str() == name)
    }
}
