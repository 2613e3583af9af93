//! The authorization table, read from the documentation.

use std::collections::{BTreeMap, BTreeSet};

use super::callers::Caller;

const DOCUMENT: &str = include_str!("../../../../docs/authorization.md");

/// The suffix of the names of rows about frames with a version.
pub(super) const WITH_V: &str = " with v";

/// The expected result of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    /// The request is not refused because of the caller.
    Yes,
    /// The request is refused because the token is missing or invalid.
    NoToken,
    /// The command does not exist over NATS, because its answer would contain a token.
    NotOverNats,
    /// The request is refused with this code.
    Refused(String),
}

/// The rows by operation (method and path) or by frame type.
pub(super) struct Table(BTreeMap<String, BTreeMap<String, Cell>>);

impl Table {
    pub(super) fn read() -> Self {
        let mut columns = Vec::new();
        let mut rows = BTreeMap::new();
        for line in DOCUMENT.lines().filter(|line| line.starts_with('|')) {
            let words: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let (first, rest) = words.split_first().unwrap();
            match first.strip_prefix('`').and_then(|name| name.strip_suffix('`')) {
                Some(name) => {
                    assert_eq!(rest.len(), columns.len(), "{line}");
                    let cells = columns.iter().cloned().zip(rest.iter().map(|word| Cell::read(word))).collect();
                    assert!(rows.insert(name.replace('`', ""), cells).is_none(), "{name} has two rows");
                }
                None if rest.contains(&"nobody") => columns = rest.iter().map(|word| (*word).to_owned()).collect(),
                None => {}
            }
        }
        Self(rows)
    }

    /// The names of operations.
    pub(super) fn operations(&self) -> BTreeSet<String> {
        self.0.keys().filter(|name| name.contains(" /")).cloned().collect()
    }

    /// The names of frames.
    pub(super) fn frames(&self) -> BTreeSet<&str> {
        self.0.keys().map(String::as_str).filter(|name| !name.contains(' ')).collect()
    }

    /// Returns the names of rows about frames with a version, like `subscribe with v`.
    pub(super) fn frames_with_v(&self) -> BTreeSet<&str> {
        self.0.keys().map(String::as_str).filter(|name| name.ends_with(WITH_V)).collect()
    }

    /// Returns the table's cell for this caller.
    pub(super) fn cell(&self, row: &str, caller: Caller) -> &Cell {
        &self.0[row][caller.column()]
    }
}

impl Cell {
    fn read(word: &str) -> Self {
        match word {
            "yes" => Self::Yes,
            "401" => Self::NoToken,
            code => Self::Refused(code.to_owned()),
        }
    }
}
