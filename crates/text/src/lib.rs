//! The text of people: pure functions over Unicode, without I/O and without state.
pub mod emoji;
pub mod filter;
pub mod mention;
pub mod nickname;
pub mod search;
pub mod value;
