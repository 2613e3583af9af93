//! Systems beside which Boxroom is measured.

pub(crate) mod broadcaster;
