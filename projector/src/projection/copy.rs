//! Rows in the binary COPY format: the fastest way into a table, for rows that are certainly new.

use sqlx::{PgConnection, postgres::PgCopyIn};

use super::cell::Cell;

/// The signature, no flags, no header extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// The end marker, in place of a column count.
const END: i16 = -1;

/// The null marker, in place of a length.
const NULL: i32 = -1;

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
        statement: &str,
        columns: usize,
    ) -> Result<Self, sqlx::Error> {
        let mut bytes = Vec::with_capacity(2 * CHUNK);
        bytes.extend_from_slice(HEADER);
        // PostgreSQL tables have at most 1600 columns.
        let columns = i16::try_from(columns).unwrap_or(i16::MAX);
        Ok(Self { copy: connection.copy_in_raw(statement).await?, columns, bytes })
    }

    /// Begins the next row.
    pub(super) fn row(&mut self) {
        self.bytes.extend_from_slice(&self.columns.to_be_bytes());
    }

    /// Writes the next value of the row.
    pub(super) fn cell(&mut self, value: &impl Cell) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&NULL.to_be_bytes());
        if !value.encode(&mut self.bytes).is_null()
            && let Some((length, value)) = self.bytes.get_mut(at..).and_then(<[u8]>::split_first_chunk_mut)
        {
            // Values are far shorter than the maximum.
            *length = i32::try_from(value.len()).unwrap_or(i32::MAX).to_be_bytes();
        }
    }

    /// Ends a row. Sends the buffer if it has reached the chunk size.
    pub(super) async fn end_row(&mut self) -> Result<(), sqlx::Error> {
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
