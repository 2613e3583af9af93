//! Rows as binary COPY takes them: the fastest way into a table, for rows that are certainly new.

use std::{fmt::Display, io::Write as _};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

/// The signature, no flags, no header extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// In the place of the number of columns: no more rows.
const END: i16 = -1;

/// In the place of a length.
const NULL: i32 = -1;

/// PostgreSQL counts from the year 2000.
const EPOCH: TimeDelta = TimeDelta::seconds(946_684_800);

/// Before the text of a `jsonb`.
const JSONB_VERSION: u8 = 1;

/// Rows of one table on their way to the server, column after column.
pub(super) struct Rows {
    statement: &'static str,
    columns: i16,
    bytes: Vec<u8>,
}

impl Rows {
    /// No rows yet. The statement names the columns, this many.
    pub(super) fn of(statement: &'static str, columns: i16) -> Self {
        Self { statement, columns, bytes: HEADER.to_vec() }
    }

    /// Begins the next row.
    pub(super) fn row(&mut self) -> &mut Self {
        self.bytes.extend_from_slice(&self.columns.to_be_bytes());
        self
    }

    fn length(&mut self, length: usize) {
        // A column ends far below.
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

    /// A text that is made here.
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

    /// Sends the rows, all or none.
    pub(super) async fn send(mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        self.bytes.extend_from_slice(&END.to_be_bytes());
        let mut copy = connection.copy_in_raw(self.statement).await?;
        copy.send(self.bytes).await?;
        copy.finish().await?;
        Ok(())
    }
}
