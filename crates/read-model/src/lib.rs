//! Which read model this build writes and serves, and the JSON in it: what the projector and the query-service must agree on.
//!
//! Knows neither how rows come about nor how they are read.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

pub mod feed;
pub mod schemas;

/// The tables of one generation with their primary keys, run with `search_path` set to its schema.
pub const TABLES: &str = include_str!("../../../migrations/read_model/0001_tables.sql");

/// What reading needs besides; a generation that is being built gets it when its rows are there. May be run again.
pub const INDEXES: &str = include_str!("../../../migrations/read_model/0002_indexes.sql");

/// Counts up with every change of what the projection writes into these tables.
pub const PROJECTION_VERSION: u32 = 1;

/// The version of the read model: a hash of its tables, their indexes and the projection's version.
pub fn version() -> String {
    let digest = Sha256::new()
        .chain_update(PROJECTION_VERSION.to_be_bytes())
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
    fn a_version_fits_into_a_name() {
        assert_eq!(version().len(), 32);
        assert!(version().bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(version(), version());
    }
}
