//! Messages as clients see them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::schemas;

/// User ids by emoji.
pub(crate) type Reactions = Json<BTreeMap<String, Vec<String>>>;

/// A message.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the answer")]
pub(crate) struct MessageView {
    /// The id of the message. Later messages of a room have greater ids.
    #[schema(schema_with = schemas::message_id)]
    pub(crate) message_id: String,
    /// The room of the message.
    #[schema(schema_with = schemas::room_id)]
    pub(crate) room_id: String,
    /// The author's user id.
    #[schema(schema_with = schemas::user_id)]
    pub(crate) author: String,
    /// The text; null if the message was deleted.
    #[schema(required, max_length = 16000)]
    pub(crate) body: Option<String>,
    /// True if the author was erased, and the text with them.
    pub(crate) erased: bool,
    /// The id of the message that this one replies to, or null.
    #[schema(required, schema_with = schemas::message_id_or_null)]
    pub(crate) reply_to: Option<String>,
    /// The time of posting.
    pub(crate) posted_at: DateTime<Utc>,
    /// The time of the last edit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) edited_at: Option<DateTime<Utc>>,
    /// True if the message was deleted.
    pub(crate) deleted: bool,
    /// The ids of the users who reacted, by emoji or short code, in the order of their reactions.
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    pub(crate) reactions: Reactions,
    /// The ids of the mentioned members, in the order of the text; empty if the message was deleted.
    #[schema(value_type = Vec<String>, max_items = 20)]
    pub(crate) mentions: Json<Vec<String>>,
    /// True if the host mentioned all members.
    pub(crate) mentions_all: bool,
    /// True if the caller has blocked the author; absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) blocked: bool,
}
