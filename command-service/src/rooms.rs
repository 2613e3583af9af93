//! Commands of users on rooms: opening and closing, members, and read markers.

pub(crate) mod close;
pub(crate) mod extend;
pub(crate) mod host;
pub(crate) mod join;
pub(crate) mod kick;
pub(crate) mod leave;
pub(crate) mod open;
mod opening;
pub(crate) mod read_marker;
pub(crate) mod reader;
pub(crate) mod step;
