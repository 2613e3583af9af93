//! Commands of users on rooms: opening, changing and closing, members, moderation, and read markers.

pub(crate) mod change;
pub(crate) mod close;
pub(crate) mod co_host;
pub(crate) mod extend;
pub(crate) mod host;
pub(crate) mod invitation;
pub(crate) mod join;
pub(crate) mod kick;
pub(crate) mod leave;
pub(crate) mod mute;
pub(crate) mod open;
mod opening;
pub(crate) mod pin;
pub(crate) mod read_marker;
pub(crate) mod reader;
pub(crate) mod slow_mode;
pub(crate) mod step;
