//! Commands of users to rooms: their life, their members, what their members have read.

pub(crate) mod close;
pub(crate) mod extend;
pub(crate) mod host;
pub(crate) mod join;
pub(crate) mod kick;
pub(crate) mod leave;
pub(crate) mod open;
mod opening;
pub(crate) mod read_marker;
pub(crate) mod step;
