//! Users as moderators and operators see them.

pub(crate) mod list;
pub(crate) mod show;
