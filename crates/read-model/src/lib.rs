//! The version of the read model that this build writes and serves, and the JSON stored in it: the contract between the
//! projector and the query-service.
//!
//! Contains no code that writes or reads rows.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

pub mod feed;
pub mod schemas;

/// The tables of one generation with their primary keys, run with `search_path` set to its schema.
pub const TABLES: &str = include_str!("../../../migrations/read_model/0001_tables.sql");

/// The secondary indexes. A generation gets them once its rows are written. Idempotent.
pub const INDEXES: &str = include_str!("../../../migrations/read_model/0002_indexes.sql");

/// The channel of PostgreSQL on which changes of generations are announced.
pub const CONTROL_CHANNEL: &str = "boxroom_control";

/// The version of the projection. Increment it with every change to the rows that it writes, or to its notifications.
pub const PROJECTION_VERSION: u32 = 5;

/// The version of the feed numbering. Increment it whenever an event of a room would get another `v`: older cursors are
/// then reset. Other changes of the read model leave cursors valid.
pub const FEED_EPOCH: u32 = 1;

/// Returns the version of the read model: a hash of the tables, the indexes, [`PROJECTION_VERSION`] and the version of
/// the lexemes of messages, in hex.
pub fn version() -> String {
    let digest = Sha256::new()
        .chain_update(PROJECTION_VERSION.to_be_bytes())
        .chain_update(text::search::VERSION.to_be_bytes())
        .chain_update(TABLES)
        .chain_update(INDEXES)
        .finalize();
    digest.iter().take(16).fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_short_enough_for_a_name() {
        assert_eq!(version().len(), 32);
        assert!(version().bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(version(), version());
    }
}
