//! Commands of users on their own account.

pub(crate) mod alarms;
pub(crate) mod blocks;
pub(crate) mod confirm;
pub(crate) mod confirmation;
pub(crate) mod devices;
pub(crate) mod erase;
pub(crate) mod muted_rooms;
pub(crate) mod nickname;
pub(crate) mod password;
pub(crate) mod preferences;
pub(crate) mod quiet_hours;
pub(crate) mod read_marker_sharing;
pub(crate) mod register;
pub(crate) mod registration;
pub(crate) mod registration_policy;
mod unconfirmed;
