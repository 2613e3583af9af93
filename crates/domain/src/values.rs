//! Bounded values of commands. They are parsed at the API, so no rule needs to check a length again.
//!
//! Events hold plain strings and numbers, so that a changed limit does not make history unreadable.

mod devices;
mod filters;
mod quiet_hours;
mod texts;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use devices::{ApnsToken, Locale, PushProvider, PushSubscription, PushTarget, TargetHash};
pub use filters::FilterPattern;
pub use quiet_hours::{QuietHours, TimeOfDay, TimeZone};
pub use texts::{Address, Category, MessageBody, Nickname, PushToken, Reason, ReportNote, StoreName, Title, ZipCode};

/// The replacement for a text whose author was erased. Stored and public; never rename.
pub const ERASED: &str = "[erased]";

/// The error for a value outside its bounds. Its text names the bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(pub(crate) &'static str);

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $max:literal, $message:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The maximum number of characters after trimming.
            pub const MAX_CHARS: usize = $max;

            /// The trimmed text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidValue;

            fn try_from(text: String) -> Result<Self, InvalidValue> {
                let trimmed = text.trim();
                // PostgreSQL cannot store NUL; no name or message needs it.
                if trimmed.is_empty() || trimmed.chars().count() > $max || trimmed.contains('\0') {
                    return Err(InvalidValue($message));
                }
                Ok(Self(trimmed.to_owned()))
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text! {
    /// A reaction: an emoji or a short code.
    Emoji, 34, "must have 1 to 34 characters after trimming"
}
macro_rules! degrees {
    ($(#[$doc:meta])* $name:ident, $max:literal, $message:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
        #[serde(try_from = "f64")]
        pub struct $name(f64);

        impl TryFrom<f64> for $name {
            type Error = InvalidValue;

            fn try_from(degrees: f64) -> Result<Self, InvalidValue> {
                if (-$max..=$max).contains(&degrees) { Ok(Self(degrees)) } else { Err(InvalidValue($message)) }
            }
        }
    };
}

degrees! {
    /// Degrees north.
    Latitude, 90.0, "must be -90 to 90"
}
degrees! {
    /// Degrees east.
    Longitude, 180.0, "must be -180 to 180"
}

/// The location of a box, in degrees (WGS 84).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Coordinates {
    latitude: f64,
    longitude: f64,
}

impl Coordinates {
    /// Accepts a latitude of -90..=90 and a longitude of -180..=180.
    pub fn new(latitude: f64, longitude: f64) -> Result<Self, InvalidValue> {
        Ok((Latitude::try_from(latitude)?, Longitude::try_from(longitude)?).into())
    }

    /// Degrees north.
    pub fn latitude(self) -> f64 {
        self.latitude
    }

    /// Degrees east.
    pub fn longitude(self) -> f64 {
        self.longitude
    }
}

impl From<(Latitude, Longitude)> for Coordinates {
    fn from((Latitude(latitude), Longitude(longitude)): (Latitude, Longitude)) -> Self {
        Self { latitude, longitude }
    }
}

macro_rules! whole_number {
    ($(#[$doc:meta])* $name:ident, $min:literal..=$max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "u32", into = "u32")]
        pub struct $name(u32);

        impl $name {
            /// The least value.
            pub const MIN: u32 = $min;

            /// The greatest value.
            pub const MAX: u32 = $max;

            /// The number.
            pub fn get(self) -> u32 {
                self.0
            }
        }

        impl TryFrom<u32> for $name {
            type Error = InvalidValue;

            fn try_from(number: u32) -> Result<Self, InvalidValue> {
                if (Self::MIN..=Self::MAX).contains(&number) {
                    Ok(Self(number))
                } else {
                    Err(InvalidValue(concat!("must be ", $min, " to ", $max)))
                }
            }
        }

        impl From<$name> for u32 {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}

whole_number! {
    /// The maximum number of members of a room.
    MaxMembers, 2..=100
}
whole_number! {
    /// The length of an extension in hours.
    ExtensionHours, 1..=3
}
whole_number! {
    /// The time for which a member is muted, in minutes.
    MuteMinutes, 1..=1440
}
whole_number! {
    /// The least time between two messages of a member, in seconds; 0 for no limit.
    SlowModeSeconds, 0..=21600
}
whole_number! {
    /// The number of users who can join a room with an invitation.
    InvitationUses, 1..=100
}
whole_number! {
    /// The time for which an invitation to a room is valid, in minutes.
    InvitationMinutes, 1..=1440
}

/// The group of users that may use a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoxKind {
    /// All users.
    Shared,
    /// The users that an operator has allowed.
    Private,
}

impl BoxKind {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Private => "private",
        }
    }
}

/// The step of an order. It only moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Members still join.
    Gathering,
    /// Members choose their meals.
    Ordering,
    /// The host has ordered.
    Ordered,
    /// The food is on its way.
    Delivering,
    /// The food is in the box.
    Arrived,
    /// All members have collected their meals.
    Collected,
}

impl Step {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gathering => "gathering",
            Self::Ordering => "ordering",
            Self::Ordered => "ordered",
            Self::Delivering => "delivering",
            Self::Arrived => "arrived",
            Self::Collected => "collected",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_bounds() {
        assert!(MaxMembers::try_from(2).is_ok() && MaxMembers::try_from(100).is_ok());
        assert!(MaxMembers::try_from(1).is_err() && MaxMembers::try_from(101).is_err());
        assert!(ExtensionHours::try_from(0).is_err() && ExtensionHours::try_from(4).is_err());
        assert_eq!(MuteMinutes::try_from(1441).unwrap_err().to_string(), "must be 1 to 1440");
        assert!(SlowModeSeconds::try_from(0).is_ok() && SlowModeSeconds::try_from(21_601).is_err());
        assert!(Coordinates::new(90.0, -180.0).is_ok());
        assert!(Coordinates::new(f64::NAN, 0.0).is_err() && Coordinates::new(0.0, 180.1).is_err());
    }
}
