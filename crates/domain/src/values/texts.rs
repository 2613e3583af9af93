//! Texts in their normal form. Their lengths are counted in grapheme clusters, and bounded in bytes.

use std::fmt;

use serde::{Deserialize, Serialize};
use text::{
    nickname::{self, Disallowed},
    value::{self, Limits, Unfit},
};

use super::InvalidValue;

#[cfg(test)]
mod tests;

macro_rules! value {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text in its normal form.
            pub fn as_str(&self) -> &str {
                &self.0
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

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $characters:literal, $bytes:literal, $normalise:expr) => {
        value! {
            $(#[$doc])*
            $name
        }

        impl $name {
            /// The maximum number of grapheme clusters.
            pub const MAX_CHARS: usize = $characters;

            /// The maximum number of bytes in UTF-8.
            pub const MAX_BYTES: usize = $bytes;
        }

        impl TryFrom<String> for $name {
            type Error = InvalidValue;

            fn try_from(text: String) -> Result<Self, InvalidValue> {
                const LENGTH: &str = concat!(
                    "must have 1 to ", $characters, " characters, not only invisible ones, and at most ", $bytes,
                    " bytes after trimming"
                );
                let limits = Limits { characters: Self::MAX_CHARS, bytes: Self::MAX_BYTES };
                $normalise(&text, limits).map(Self).map_err(|error| error.of_limits(LENGTH))
            }
        }
    };
}

/// The reasons for which a text is not a value of its type.
enum Error {
    Unfit(Unfit),
    Disallowed(Disallowed),
}

impl Error {
    /// Describes the error. The length depends on the type.
    fn of_limits(&self, length: &'static str) -> InvalidValue {
        InvalidValue(match self {
            Self::Unfit(Unfit::Length) => length,
            Self::Unfit(Unfit::Control) => "must not contain control characters; only messages have lines and tabs",
            Self::Unfit(Unfit::Bidirectional) => "must close all bidirectional controls that it opens, and no others",
            Self::Unfit(Unfit::Meaningless) => {
                "must not contain noncharacters, private-use characters, or tag characters outside of flags"
            }
            Self::Disallowed(Disallowed::Reserved) => "looks like the name of an operator or of an erased user",
            Self::Disallowed(Disallowed::MixedScripts) => {
                "must not mix scripts that look alike, like Latin and Cyrillic"
            }
            Self::Disallowed(Disallowed::Bidirectional) => "must not contain bidirectional controls",
        })
    }
}

text! {
    /// The text of a message.
    MessageBody, 4000, 16000, body
}
text! {
    /// A room's title.
    Title, 100, 400, line
}
text! {
    /// A user's nickname. No other user has a nickname that looks like it.
    Nickname, 40, 160, nickname
}
text! {
    /// A store's name.
    StoreName, 100, 400, line
}
text! {
    /// The goods that a store sells.
    Category, 40, 160, line
}
text! {
    /// A postal code.
    ZipCode, 16, 64, line
}
text! {
    /// A street address or its detail (floor, door, corner).
    Address, 200, 800, line
}
text! {
    /// The reason for which a box is out of service.
    Reason, 200, 800, line
}

text! {
    /// The words of a report or of its handling.
    ReportNote, 1000, 4000, body
}

fn body(text: &str, limits: Limits) -> Result<String, Error> {
    value::body(text, limits).map_err(Error::Unfit)
}

fn line(text: &str, limits: Limits) -> Result<String, Error> {
    value::line(text, limits).map_err(Error::Unfit)
}

fn nickname(text: &str, limits: Limits) -> Result<String, Error> {
    let text = line(text, limits)?;
    nickname::check(&text).map_err(Error::Disallowed)?;
    Ok(text)
}

value! {
    /// The registration token of an app at its push provider. It is opaque, and never shown.
    PushToken
}

impl PushToken {
    /// The maximum number of characters, which are ASCII.
    pub const MAX_CHARS: usize = 4096;
}

impl TryFrom<String> for PushToken {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        let token = text.trim();
        if (1..=Self::MAX_CHARS).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(token.to_owned()))
        } else {
            Err(InvalidValue("must have 1 to 4096 visible ASCII characters after trimming"))
        }
    }
}
