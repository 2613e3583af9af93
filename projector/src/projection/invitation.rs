//! An invitation to a room, as a room's row has it.

use chrono::{DateTime, Utc};
use domain::UserId;
use serde::{Deserialize, Serialize};

/// An invitation to a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Invitation {
    /// Its number in the room.
    pub(super) number: u32,
    /// The user who made it.
    pub(super) by: Option<UserId>,
    pub(super) max_uses: u32,
    pub(super) uses: u32,
    pub(super) created_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
}
