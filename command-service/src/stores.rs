//! Commands of operators to the store catalogue.

pub(crate) mod availability;
pub(crate) mod change;
pub(crate) mod register;
