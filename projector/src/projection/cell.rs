//! The values of columns in PostgreSQL's binary format. Parameters and COPY share it.

use std::{collections::BTreeMap, io::Write as _, str::FromStr};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{AlarmKind, BoxId, DeviceId, FilterId, MessageId, ReportId, RoomId, StoreId, UserId};
use serde_json::value::RawValue;
use sqlx::{
    Decode, Encode, Postgres, Row as _, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgHasArrayType, PgRow, PgTypeInfo, PgValueRef},
    types::Json,
};
use text::search::Words;

use super::{invitation::Invitation, message_alarms::MessageAlarms};

/// The epoch of PostgreSQL timestamps: the year 2000.
const EPOCH: TimeDelta = TimeDelta::seconds(946_684_800);

/// The version byte before the text of a `jsonb`.
const JSONB_VERSION: u8 = 1;

/// A value that can be written to a column.
pub(super) trait Cell {
    /// The form in which the database returns the value. Determines the type of the column.
    type Stored: Type<Postgres> + PgHasArrayType + for<'r> Decode<'r, Postgres>;

    /// True if the column may be null.
    #[cfg(test)]
    const NULLABLE: bool = false;

    /// Appends the value, or nothing if it is null.
    fn encode(&self, into: &mut Vec<u8>) -> IsNull;
}

/// A value that is also read.
pub(super) trait ReadCell: Cell + Sized {
    /// Converts the value from its stored form.
    fn from_stored(stored: Self::Stored) -> Result<Self, sqlx::Error>;
}

/// An element of an array parameter.
pub(super) struct Element<T>(pub(super) T);

/// The values of a row, from its first column on.
pub(super) struct Cells<'a> {
    row: &'a PgRow,
    next: usize,
}

impl<'a> Cells<'a> {
    pub(super) fn of(row: &'a PgRow) -> Self {
        Self { row, next: 0 }
    }

    /// Reads the next column.
    pub(super) fn read<T: ReadCell>(&mut self) -> Result<T, sqlx::Error> {
        let stored = self.row.try_get(self.next)?;
        self.next += 1;
        T::from_stored(stored)
    }
}

impl<T: Cell> Type<Postgres> for Element<T> {
    fn type_info() -> PgTypeInfo {
        T::Stored::type_info()
    }
}

impl<T: Cell> PgHasArrayType for Element<T> {
    fn array_type_info() -> PgTypeInfo {
        T::Stored::array_type_info()
    }
}

impl<T: Cell> Encode<'_, Postgres> for Element<T> {
    fn encode_by_ref(&self, into: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Ok(self.0.encode(into))
    }
}

impl<T: Cell + ?Sized> Cell for &T {
    type Stored = T::Stored;

    #[cfg(test)]
    const NULLABLE: bool = T::NULLABLE;

    fn encode(&self, into: &mut Vec<u8>) -> IsNull {
        (**self).encode(into)
    }
}

impl<T: Cell> Cell for Option<T> {
    type Stored = Option<T::Stored>;

    #[cfg(test)]
    const NULLABLE: bool = true;

    fn encode(&self, into: &mut Vec<u8>) -> IsNull {
        self.as_ref().map_or(IsNull::Yes, |value| value.encode(into))
    }
}

impl<T: ReadCell> ReadCell for Option<T> {
    fn from_stored(stored: Self::Stored) -> Result<Self, sqlx::Error> {
        stored.map(T::from_stored).transpose()
    }
}

/// Values whose binary form is their bytes.
macro_rules! bytes {
    ($($type:ty as $stored:ty: |$value:ident| $bytes:expr;)+) => {$(
        impl Cell for $type {
            type Stored = $stored;

            fn encode(&self, into: &mut Vec<u8>) -> IsNull {
                let $value = self;
                into.extend_from_slice($bytes.as_ref());
                IsNull::No
            }
        }
    )+};
}

bytes! {
    str as String: |text| text.as_bytes();
    String as String: |text| text.as_bytes();
    BoxId as String: |id| id.as_str().as_bytes();
    UserId as String: |id| id.as_str().as_bytes();
    DeviceId as String: |id| id.as_str().as_bytes();
    StoreId as String: |id| id.as_str().as_bytes();
    FilterId as String: |id| id.as_str().as_bytes();
    ReportId as String: |id| id.as_str().as_bytes();
    AlarmKind as String: |kind| kind.as_str().as_bytes();
    bool as bool: |value| [u8::from(*value)];
    i32 as i32: |value| value.to_be_bytes();
    i64 as i64: |value| value.to_be_bytes();
    u64 as i64: |value| value.cast_signed().to_be_bytes();
    f64 as f64: |value| value.to_be_bytes();
    MessageId as i64: |id| id.sequence().cast_signed().to_be_bytes();
    DateTime<Utc> as Self: |time| micros(*time).to_be_bytes();
}

fn micros(time: DateTime<Utc>) -> i64 {
    (time - DateTime::UNIX_EPOCH - EPOCH).num_microseconds().unwrap_or(i64::MAX)
}

impl Cell for RoomId {
    type Stored = String;

    fn encode(&self, into: &mut Vec<u8>) -> IsNull {
        // Writing to memory cannot fail.
        let _ = write!(into, "{self}");
        IsNull::No
    }
}

impl Cell for RawValue {
    type Stored = Json<serde_json::Value>;

    fn encode(&self, into: &mut Vec<u8>) -> IsNull {
        into.push(JSONB_VERSION);
        into.extend_from_slice(self.get().as_bytes());
        IsNull::No
    }
}

impl Cell for serde_json::Value {
    type Stored = Json<Self>;

    fn encode(&self, into: &mut Vec<u8>) -> IsNull {
        into.push(JSONB_VERSION);
        // Writing to memory cannot fail.
        let _ = write!(into, "{self}");
        IsNull::No
    }
}

/// A `tsvector`: the server never returns it to the projector.
pub(super) struct TsVector;

impl Type<Postgres> for TsVector {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("tsvector")
    }
}

impl PgHasArrayType for TsVector {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::array_of("tsvector")
    }
}

impl Decode<'_, Postgres> for TsVector {
    fn decode(_: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        Ok(Self)
    }
}

impl Cell for Words {
    type Stored = TsVector;

    fn encode(&self, into: &mut Vec<u8>) -> IsNull {
        let length = into.len();
        let mut count: u32 = 0;
        into.extend_from_slice(&count.to_be_bytes());
        self.for_each(|lexeme, positions| {
            count += 1;
            into.extend_from_slice(lexeme.as_bytes());
            into.push(0);
            // A lexeme has few positions.
            let positions_count = u16::try_from(positions.len()).unwrap_or(u16::MAX);
            for number in [positions_count].iter().chain(positions) {
                into.extend_from_slice(&number.to_be_bytes());
            }
        });
        if let Some((place, _)) = into.get_mut(length..).and_then(<[u8]>::split_first_chunk_mut) {
            *place = count.to_be_bytes();
        }
        IsNull::No
    }
}

/// Values that are stored as JSON, beside any JSON.
macro_rules! json {
    ($($value:ty),+) => {$(
        impl Cell for $value {
            type Stored = Json<Self>;

            fn encode(&self, into: &mut Vec<u8>) -> IsNull {
                into.push(JSONB_VERSION);
                // Writing to memory cannot fail.
                let _ = serde_json::to_writer(into, self);
                IsNull::No
            }
        }

        impl ReadCell for $value {
            fn from_stored(Json(value): Self::Stored) -> Result<Self, sqlx::Error> {
                Ok(value)
            }
        }
    )+};
}

json!(BTreeMap<String, Vec<UserId>>, Vec<UserId>, Vec<MessageId>, Vec<Invitation>, MessageAlarms);

/// Values that are stored as they are.
macro_rules! read_as_stored {
    ($($value:ty),+) => {$(
        impl ReadCell for $value {
            fn from_stored(stored: Self::Stored) -> Result<Self, sqlx::Error> {
                Ok(stored)
            }
        }
    )+};
}

read_as_stored!(String, bool, i32, i64, f64, DateTime<Utc>);

impl ReadCell for serde_json::Value {
    fn from_stored(Json(value): Self::Stored) -> Result<Self, sqlx::Error> {
        Ok(value)
    }
}

/// Values that are stored as a text.
macro_rules! read_from_text {
    ($($value:ty),+) => {$(
        impl ReadCell for $value {
            fn from_stored(stored: Self::Stored) -> Result<Self, sqlx::Error> {
                parsed(&stored)
            }
        }
    )+};
}

read_from_text!(BoxId, RoomId, UserId, StoreId, ReportId);

impl ReadCell for MessageId {
    fn from_stored(stored: i64) -> Result<Self, sqlx::Error> {
        Ok(Self::new(stored.cast_unsigned()))
    }
}

/// Parses a text of the database.
pub(super) fn parsed<T>(text: &str) -> Result<T, sqlx::Error>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
