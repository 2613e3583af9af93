//! What concerns the caller alone.

pub(crate) mod alarms;
pub(crate) mod rooms;
pub(crate) mod show;
