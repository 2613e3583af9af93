//! Reports of users about messages and other users, messages that filters hold back, and their handling.

pub(crate) mod claim;
pub(crate) mod file;
pub(crate) mod publish;
pub(crate) mod resolve;
