//! The means of operators against abuse.

pub(crate) mod filters;
pub(crate) mod reports;
