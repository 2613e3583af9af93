//! Identifiers. They are parsed once at the API and need no escaping in names and paths from then on.

use std::{fmt, marker::PhantomData, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};
use smol_str::SmolStr;

/// The error for a text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidId(&'static str);

/// The pattern of box, store, user and device ids.
pub const ID_PATTERN: &str = "^[a-z0-9][a-z0-9_-]{0,39}$";

/// The pattern of room ids: the box's id, a dot, and the number of the room on that box.
pub const ROOM_ID_PATTERN: &str = "^[a-z0-9][a-z0-9_-]{0,39}\\.[1-9][0-9]{0,8}$";

/// The pattern of message ids and of event sequences: a sequence in the log.
pub const MESSAGE_ID_PATTERN: &str = "^[1-9][0-9]{0,17}$";

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 40
        && bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

/// Reads and writes an id as its text in JSON, without a copy of the text: a projection reads millions of ids.
macro_rules! text_in_json {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Text(PhantomData))
            }
        }
    };
}

struct Text<T>(PhantomData<T>);

impl<T: FromStr<Err = InvalidId>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(SmolStr);

        text_in_json!($name);

        impl $name {
            /// The id as it stands in names, paths and JSON.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if is_name(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidId("must be 1 to 40 of a-z, 0-9, _ and -, and begin with a letter or digit"))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_id! {
    /// The id of a delivery box: a slug from the operator, or a generated one.
    BoxId
}
name_id! {
    /// The id of a store in the catalogue.
    StoreId
}
name_id! {
    /// The id of a user, chosen at registration. A pseudonym that stays after the erasure.
    UserId
}
name_id! {
    /// The id of a user's device that receives push messages.
    DeviceId
}

name_id! {
    /// The id of a filter, chosen by the operator.
    FilterId
}
name_id! {
    /// The id of a report.
    ReportId
}

impl ReportId {
    /// Returns the owner of the key that encrypts the texts of the report. No user can register this id.
    pub fn key_owner(&self) -> UserId {
        UserId(format!("{REPORT_KEYS}{self}").into())
    }
}

/// The beginning of the owners of keys of reports. Stored; never change.
const REPORT_KEYS: &str = "report_key-";

/// The id of the only list of filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FiltersId;

impl fmt::Display for FiltersId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("filters")
    }
}

impl FromStr for FiltersId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text == "filters" { Ok(Self) } else { Err(InvalidId("must be `filters`")) }
    }
}

impl UserId {
    /// The actor of automatic commands, like deadlines. No user can register this id.
    pub fn system() -> Self {
        Self(SmolStr::new_static("system"))
    }

    /// True if no user can ever have this id: `me` stands in paths, `@all` mentions all members, and reports have keys.
    pub fn is_reserved(&self) -> bool {
        matches!(self.as_str(), "system" | "me" | "all") || self.as_str().starts_with(REPORT_KEYS)
    }
}

/// The id of the n-th room of a box, written `<box_id>.<n>`: it contains the box's id, so no look-up is needed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId {
    box_id: BoxId,
    number: u32,
}

text_in_json!(RoomId);

impl RoomId {
    /// Builds the id of the room with this number (from 1) on this box.
    pub fn new(box_id: BoxId, number: u32) -> Self {
        Self { box_id, number }
    }

    /// The box on which the room was opened.
    pub fn box_id(&self) -> &BoxId {
        &self.box_id
    }

    /// The room's number on its box, from 1.
    pub fn number(&self) -> u32 {
        self.number
    }
}

impl FromStr for RoomId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId("must be a box id, a dot and the room's number");
        let (box_id, number) = text.split_once('.').ok_or_else(|| invalid.clone())?;
        let box_id = box_id.parse().map_err(|_| invalid.clone())?;
        let canonical = number.len() <= 9 && !number.starts_with('0') && number.bytes().all(|b| b.is_ascii_digit());
        match number.parse() {
            Ok(number) if canonical => Ok(Self { box_id, number }),
            _ => Err(invalid),
        }
    }
}

impl TryFrom<String> for RoomId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<RoomId> for String {
    fn from(id: RoomId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.box_id, self.number)
    }
}

macro_rules! sequence_id {
    ($(#[$doc:meta])* $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u64);

        text_in_json!($name);

        impl $name {
            /// Builds the id from a sequence in the log, from 1.
            pub const fn new(sequence: u64) -> Self {
                Self(sequence)
            }

            /// The sequence in the log.
            pub fn sequence(self) -> u64 {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let canonical = text.len() <= 18 && !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
                match text.parse() {
                    Ok(sequence) if canonical => Ok(Self(sequence)),
                    _ => Err(InvalidId($expected)),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

sequence_id! {
    /// The id of a message: its sequence in the log of its box's partition, so unique in its room and monotonic.
    MessageId, "must be a message id: a positive number"
}
sequence_id! {
    /// The id of a commit of a box: its sequence in the log of the box's partition.
    EventSequence, "must be a sequence in the log: a positive number"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_safe_texts_become_ids() {
        for good in ["a", "0", "box-1", "a_b", &"x".repeat(40)] {
            assert!(good.parse::<BoxId>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "_a", "A", "a.b", "a*", "a>", "a b", "ä", "a\n", &"x".repeat(41)] {
            assert!(bad.parse::<BoxId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_room_id_names_its_box() {
        let room: RoomId = "box-1.12".parse().unwrap();
        assert_eq!((room.box_id().as_str(), room.number(), room.to_string()), ("box-1", 12, "box-1.12".to_owned()));
        for bad in ["box-1", "box-1.", "box-1.0", "box-1.01", "box-1.+1", ".1", "box-1.1.1", "box-1.9999999999", "B.1"]
        {
            assert!(bad.parse::<RoomId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn message_ids_are_canonical_numbers() {
        assert_eq!("42".parse::<MessageId>().unwrap().sequence(), 42);
        for bad in ["", "0", "042", "-1", "+1", "1.0", "18446744073709551616", "x"] {
            assert!(bad.parse::<MessageId>().is_err(), "{bad:?}");
        }
    }
}
