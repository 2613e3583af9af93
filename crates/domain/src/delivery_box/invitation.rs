//! An invitation to a room.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::values::{InvitationMinutes, InvitationUses};

/// An invitation to a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Invitation {
    /// Its number in the room.
    pub(super) number: u32,
    /// The hash of its token.
    pub(super) hash: String,
    /// The number of users who can still join with it.
    pub(super) uses: u32,
    pub(super) expires_at: DateTime<Utc>,
}

impl Invitation {
    pub(super) fn is_valid(&self, at: DateTime<Utc>) -> bool {
        self.uses > 0 && at < self.expires_at
    }
}

/// The limits of a new invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvitationLimits {
    /// The number of users who can join with it.
    pub uses: InvitationUses,
    /// The time for which it is valid.
    pub minutes: InvitationMinutes,
}
