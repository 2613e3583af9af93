//! Users as moderators and operators see them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::schemas;

/// A user, for moderators and operators.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "user_id": "ana", "nickname": "Ana", "erased": false, "registered_at": "2026-03-01T12:00:00Z",
    "suspension": { "since": "2026-03-02T12:00:00Z", "until": null, "reason": "Advertising" }
}))]
pub(crate) struct ModeratedUserView {
    /// The id of the user.
    #[schema(schema_with = schemas::user_id)]
    pub(crate) user_id: String,
    /// The nickname; null if the user was erased.
    #[schema(required)]
    pub(crate) nickname: Option<String>,
    /// True if the user was erased.
    pub(crate) erased: bool,
    /// The time of registration.
    pub(crate) registered_at: DateTime<Utc>,
    /// The suspension; null if the user is not suspended now.
    #[schema(required)]
    pub(crate) suspension: Option<SuspensionView>,
}

/// The suspension of a user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SuspensionView {
    /// The time at which it began, or was changed last.
    pub(crate) since: DateTime<Utc>,
    /// The time at which it ends; null if it has no end.
    #[schema(required)]
    pub(crate) until: Option<DateTime<Utc>>,
    /// The reason.
    #[schema(required, max_length = 800)]
    pub(crate) reason: Option<String>,
}

/// A row of a user. The suspension is null if it is over.
pub(crate) struct ModeratedUserRow {
    pub(crate) user_id: String,
    pub(crate) nickname: Option<String>,
    pub(crate) registered_at: DateTime<Utc>,
    pub(crate) suspended_at: Option<DateTime<Utc>>,
    pub(crate) suspended_until: Option<DateTime<Utc>>,
    pub(crate) suspension_reason: Option<String>,
    /// The nickname in the order of the list.
    pub(crate) name: Option<String>,
}

impl From<ModeratedUserRow> for ModeratedUserView {
    fn from(row: ModeratedUserRow) -> Self {
        let ModeratedUserRow { user_id, nickname, registered_at, suspended_at, .. } = row;
        let (until, reason) = (row.suspended_until, row.suspension_reason);
        let suspension = suspended_at.map(|since| SuspensionView { since, until, reason });
        Self { user_id, erased: nickname.is_none(), nickname, registered_at, suspension }
    }
}
