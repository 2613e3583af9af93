//! The caller's own data.

pub(crate) mod alarms;
pub(crate) mod blocks;
pub(crate) mod export;
pub(crate) mod rooms;
pub(crate) mod show;
