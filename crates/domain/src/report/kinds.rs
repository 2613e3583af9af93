//! The reasons of reports, and the results of handling them.

use serde::{Deserialize, Serialize};

/// The reasons of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportCategory {
    /// Unwanted advertising.
    Spam,
    /// Insults and threats against a person.
    Harassment,
    /// Hate against a group of people.
    Hate,
    /// Sexual content.
    Sexual,
    /// Violence, and calls for it.
    Violence,
    /// Offers or acts that are against the law.
    Illegal,
    /// Another reason, which the note states.
    Other,
}

impl ReportCategory {
    /// All categories.
    pub const ALL: [Self; 7] =
        [Self::Spam, Self::Harassment, Self::Hate, Self::Sexual, Self::Violence, Self::Illegal, Self::Other];

    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Harassment => "harassment",
            Self::Hate => "hate",
            Self::Sexual => "sexual",
            Self::Violence => "violence",
            Self::Illegal => "illegal",
            Self::Other => "other",
        }
    }
}

/// The results of handling a report. They record what a moderator has done by other commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportAction {
    /// The report was unfounded.
    Dismissed,
    /// The user was warned.
    Warned,
    /// The message was removed.
    MessageRemoved,
    /// The room was closed.
    RoomClosed,
    /// The user was suspended.
    UserSuspended,
    /// Another action, which the note states.
    Other,
}

impl ReportAction {
    /// All actions.
    pub const ALL: [Self; 6] =
        [Self::Dismissed, Self::Warned, Self::MessageRemoved, Self::RoomClosed, Self::UserSuspended, Self::Other];

    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dismissed => "dismissed",
            Self::Warned => "warned",
            Self::MessageRemoved => "message_removed",
            Self::RoomClosed => "room_closed",
            Self::UserSuspended => "user_suspended",
            Self::Other => "other",
        }
    }
}
