//! The means of moderators and operators against abuse.

pub(crate) mod filters;
pub(crate) mod list;
pub(crate) mod reports;
pub(crate) mod show;
