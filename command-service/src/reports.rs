//! Reports of users about messages and other users, and their handling.

pub(crate) mod claim;
pub(crate) mod file;
pub(crate) mod resolve;
