//! Messages as clients see them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::schemas;

/// Who reacted, by emoji.
pub(crate) type Reactions = Json<BTreeMap<String, Vec<String>>>;

/// A message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessageView {
    /// Its id: later messages of a room have greater ones.
    #[schema(schema_with = schemas::message_id)]
    pub(crate) message_id: String,
    /// The room in which it was said.
    #[schema(schema_with = schemas::room_id)]
    pub(crate) room_id: String,
    /// Who said it.
    #[schema(schema_with = schemas::user_id)]
    pub(crate) author: String,
    /// What it says; null when it was deleted.
    #[schema(required, max_length = 4000)]
    pub(crate) body: Option<String>,
    /// The message that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::message_id)]
    pub(crate) reply_to: Option<String>,
    /// When it was said.
    pub(crate) posted_at: DateTime<Utc>,
    /// When it was corrected last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) edited_at: Option<DateTime<Utc>>,
    /// Whether it was taken away.
    pub(crate) deleted: bool,
    /// Who reacted, by emoji, in order of arrival.
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    pub(crate) reactions: Reactions,
}
