//! Commands to boxes: of operators, and of the boxes themselves; and what boxes sign in with.

pub(crate) mod change;
pub(crate) mod credentials;
pub(crate) mod drop_event;
pub(crate) mod install;
pub(crate) mod reports;
pub(crate) mod retire;
pub(crate) mod service_state;

use domain::{BoxId, UserId};

use crate::problems::Code;

/// A box as the one who acts: its ids are of the same form.
pub(crate) fn as_user(box_id: &BoxId) -> Result<UserId, Code> {
    box_id.as_str().parse().map_err(|_| Code::Internal)
}
