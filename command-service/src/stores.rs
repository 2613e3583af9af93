//! Commands of operators on stores.

pub(crate) mod availability;
pub(crate) mod change;
pub(crate) mod register;
pub(crate) mod retire;
