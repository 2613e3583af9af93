//! Rows in the binary COPY format: the fastest way into a table, for rows that are certainly new.

use std::{fmt::Display, io::Write as _};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, postgres::PgCopyIn};

/// The signature, no flags, no header extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// The end marker, in place of a column count.
const END: i16 = -1;

/// The null marker, in place of a length.
const NULL: i32 = -1;

/// The epoch of PostgreSQL timestamps: the year 2000.
const EPOCH: TimeDelta = TimeDelta::seconds(946_684_800);

/// The version byte before the text of a `jsonb`.
const JSONB_VERSION: u8 = 1;

/// The size of a chunk in bytes. The server stores one chunk while the next is built, and memory is reused.
const CHUNK: usize = 64 * 1024;

/// A COPY into one table in progress, written column by column.
pub(super) struct Rows<'a> {
    copy: PgCopyIn<&'a mut PgConnection>,
    columns: i16,
    bytes: Vec<u8>,
}

impl<'a> Rows<'a> {
    /// Starts the COPY. `columns` is the number of columns named by the statement.
    pub(super) async fn begin(
        connection: &'a mut PgConnection,
        statement: &'static str,
        columns: i16,
    ) -> Result<Self, sqlx::Error> {
        let mut bytes = Vec::with_capacity(2 * CHUNK);
        bytes.extend_from_slice(HEADER);
        Ok(Self { copy: connection.copy_in_raw(statement).await?, columns, bytes })
    }

    /// Begins the next row.
    pub(super) fn row(&mut self) -> &mut Self {
        self.bytes.extend_from_slice(&self.columns.to_be_bytes());
        self
    }

    fn length(&mut self, length: usize) {
        // Column values are far shorter than the maximum.
        self.bytes.extend_from_slice(&i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes());
    }

    pub(super) fn null(&mut self) -> &mut Self {
        self.bytes.extend_from_slice(&NULL.to_be_bytes());
        self
    }

    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        self.length(value.len());
        self.bytes.extend_from_slice(value.as_bytes());
        self
    }

    pub(super) fn text_if_any(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(value),
            None => self.null(),
        }
    }

    /// Writes the text of a displayable value.
    pub(super) fn display(&mut self, value: impl Display) -> &mut Self {
        let at = self.bytes.len();
        self.length(0);
        // Writing to memory cannot fail.
        let _ = write!(self.bytes, "{value}");
        let length = i32::try_from(self.bytes.len() - at - 4).unwrap_or(i32::MAX).to_be_bytes();
        if let Some(place) = self.bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&length);
        }
        self
    }

    pub(super) fn bigint(&mut self, value: i64) -> &mut Self {
        self.length(8);
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(super) fn bigint_if_any(&mut self, value: Option<i64>) -> &mut Self {
        match value {
            Some(value) => self.bigint(value),
            None => self.null(),
        }
    }

    pub(super) fn time(&mut self, value: DateTime<Utc>) -> &mut Self {
        let since = value - DateTime::UNIX_EPOCH - EPOCH;
        self.bigint(since.num_microseconds().unwrap_or(i64::MAX))
    }

    pub(super) fn time_if_any(&mut self, value: Option<DateTime<Utc>>) -> &mut Self {
        match value {
            Some(value) => self.time(value),
            None => self.null(),
        }
    }

    pub(super) fn jsonb(&mut self, json: &str) -> &mut Self {
        self.length(json.len() + 1);
        self.bytes.push(JSONB_VERSION);
        self.bytes.extend_from_slice(json.as_bytes());
        self
    }

    /// Ends a row. Sends the buffer if it has reached the chunk size.
    pub(super) async fn sent(&mut self) -> Result<(), sqlx::Error> {
        if self.bytes.len() >= CHUNK {
            self.copy.send(self.bytes.as_slice()).await?;
            self.bytes.clear();
        }
        Ok(())
    }

    /// Sends the rest and completes the COPY. Until then the table has none of its rows.
    pub(super) async fn finish(mut self) -> Result<(), sqlx::Error> {
        self.bytes.extend_from_slice(&END.to_be_bytes());
        self.copy.send(self.bytes).await?;
        self.copy.finish().await?;
        Ok(())
    }
}
