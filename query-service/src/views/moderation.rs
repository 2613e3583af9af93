//! Filters and reports, as moderators see them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schemas;

/// A word or a link that texts of users must not have.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FilterView {
    /// The id of the filter.
    #[schema(schema_with = schemas::filter_id)]
    pub(crate) filter_id: String,
    /// The kind of the pattern: `word` or `link`.
    #[schema(example = "word")]
    pub(crate) kind: String,
    /// The word or the host.
    #[schema(example = "free soup")]
    pub(crate) pattern: String,
    /// The consequence of a match: `refuse` or `mask`.
    #[schema(example = "refuse")]
    pub(crate) action: String,
    /// The time of the last change.
    pub(crate) changed_at: DateTime<Utc>,
}

/// The state of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum ReportState {
    /// It waits for a moderator.
    Open,
    /// A moderator handles it.
    Claimed,
    /// It is closed.
    Closed,
}

impl ReportState {
    /// Returns the name of the list of reports in this state.
    pub(crate) fn list(self) -> &'static str {
        match self {
            Self::Open => "open reports",
            Self::Claimed => "claimed reports",
            Self::Closed => "closed reports",
        }
    }
}

/// A report about a message or a user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReportView {
    /// The id of the report.
    #[schema(schema_with = schemas::report_id)]
    pub(crate) report_id: String,
    /// The user who has reported; null for a message that a filter holds back.
    #[schema(required)]
    pub(crate) reporter: Option<String>,
    /// The reported user, or the author of the message.
    #[schema(schema_with = schemas::user_id)]
    pub(crate) user_id: String,
    /// The nickname of the reported user; null if the user was erased or is not registered.
    #[schema(required)]
    pub(crate) nickname: Option<String>,
    /// The room of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::room_id)]
    pub(crate) room_id: Option<String>,
    /// The reported message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::message_id)]
    pub(crate) message_id: Option<String>,
    /// The text of the message when it was reported; null in a report about a user, and when it was removed.
    #[schema(required, max_length = 16000)]
    pub(crate) text: Option<String>,
    /// True if the message was deleted.
    pub(crate) deleted: bool,
    /// The reason; `held` for a message that a filter holds back.
    #[schema(example = "spam")]
    pub(crate) category: String,
    /// The words of the reporter, or null.
    #[schema(required)]
    pub(crate) note: Option<String>,
    /// The time of reporting.
    pub(crate) filed_at: DateTime<Utc>,
    /// The number of other reports about the message that are not closed.
    #[schema(minimum = 0)]
    pub(crate) other_open_reports: i64,
    /// The state.
    pub(crate) state: ReportState,
    /// The moderator who has claimed or closed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) moderator: Option<String>,
    /// The time at which it was claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) claimed_at: Option<DateTime<Utc>>,
    /// The time at which it was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) closed_at: Option<DateTime<Utc>>,
    /// The result; `message_published` for a held message that was posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "warned")]
    pub(crate) action: Option<String>,
    /// The words of the moderator.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) resolution_note: Option<String>,
    /// True if the texts were removed: one of the two users was erased, or the report was closed long ago.
    pub(crate) forgotten: bool,
}
