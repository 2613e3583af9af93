//! Events of a room's feed as clients see them: the same in an answer and in a live frame.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::types::Json;
use utoipa::ToSchema;

/// The details of an event, passed through unread.
pub(crate) type EventData = Json<Box<RawValue>>;

/// An event of a room's feed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventView {
    /// Its version: 1, 2, 3 ... in the room, without a gap.
    #[schema(minimum = 1)]
    pub(crate) v: i64,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(example = "message_posted")]
    pub(crate) kind: String,
    /// When.
    pub(crate) at: DateTime<Utc>,
    /// Who acted; null when nobody did, as at a deadline.
    #[schema(required, pattern = "^[a-z0-9][a-z0-9_-]{0,39}$")]
    pub(crate) by: Option<String>,
    /// The details, by type.
    #[schema(value_type = Object)]
    pub(crate) data: EventData,
    /// The `Idempotency-Key` of the command that made it happen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 64)]
    pub(crate) command_id: Option<String>,
    /// The version of the feed's last event.
    #[serde(skip)]
    pub(crate) head_v: i64,
}
