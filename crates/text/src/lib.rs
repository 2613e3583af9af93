//! The text of people: pure functions over Unicode, without I/O and without state.

pub mod search;
