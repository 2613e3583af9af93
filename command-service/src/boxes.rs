//! Commands to boxes: of operators, and of the boxes themselves.

pub(crate) mod change;
pub(crate) mod drop_event;
pub(crate) mod install;
pub(crate) mod reports;
pub(crate) mod retire;
pub(crate) mod service_state;
