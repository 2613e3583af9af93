//! Commands of operators on boxes and their users, reports by the boxes themselves, and credentials of boxes.

pub(crate) mod change;
pub(crate) mod credentials;
pub(crate) mod drop_event;
pub(crate) mod install;
pub(crate) mod reports;
pub(crate) mod retire;
pub(crate) mod retirement;
pub(crate) mod service_state;
pub(crate) mod users;

use domain::{BoxId, UserId};

use crate::problems::Code;

/// Returns the box as the acting user: box ids and user ids have the same form.
pub(crate) fn as_user(box_id: &BoxId) -> Result<UserId, Code> {
    box_id.as_str().parse().map_err(|_| Code::Internal)
}
