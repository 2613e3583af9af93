//! Commands of operators to the filters of texts.

pub(crate) mod remove;
pub(crate) mod set;
