//! What a user sees of themselves: their account, their rooms, their alarms.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::{
    schemas,
    views::{ClosedReason, RoomStatus, Step},
};

/// Which kinds of alarms are pushed.
pub(crate) type Preferences = Json<BTreeMap<String, bool>>;

/// Where they are pushed to.
pub(crate) type Devices = Json<Vec<DeviceView>>;

/// The caller's account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MeView {
    /// The id.
    #[schema(schema_with = schemas::user_id)]
    pub(crate) user_id: String,
    /// How the caller is called.
    pub(crate) nickname: String,
    /// Since when.
    pub(crate) registered_at: DateTime<Utc>,
    /// Which kinds of alarms are pushed; a kind that is absent is.
    #[schema(value_type = BTreeMap<String, bool>)]
    pub(crate) notification_preferences: Preferences,
    /// Where they are pushed to.
    #[schema(value_type = Vec<DeviceView>)]
    pub(crate) devices: Devices,
}

/// A device that receives push messages.
#[derive(Debug, Serialize, serde::Deserialize, ToSchema)]
pub(crate) struct DeviceView {
    /// Its id.
    #[schema(schema_with = schemas::device_id)]
    pub(crate) device_id: String,
    /// Since when.
    pub(crate) registered_at: DateTime<Utc>,
}

/// A room in which the caller is, or was when it closed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MyRoomView {
    /// Its id.
    #[schema(schema_with = schemas::room_id)]
    pub(crate) room_id: String,
    /// The box on which it was opened.
    #[schema(schema_with = schemas::box_id)]
    pub(crate) box_id: String,
    /// Where they order.
    #[schema(schema_with = schemas::store_id)]
    pub(crate) store_id: String,
    /// What it is called.
    pub(crate) title: String,
    /// Whether it accepts anything.
    pub(crate) status: RoomStatus,
    /// Why it was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) closed_reason: Option<ClosedReason>,
    /// Whose room it is.
    #[schema(schema_with = schemas::user_id)]
    pub(crate) host: String,
    /// How many are inside.
    #[schema(minimum = 0, maximum = 100)]
    pub(crate) member_count: i32,
    /// How many may be inside.
    #[schema(minimum = 2, maximum = 100)]
    pub(crate) max_members: i32,
    /// Whether a password is needed to join.
    pub(crate) locked: bool,
    /// Where the order stands.
    pub(crate) step: Step,
    /// When it was opened.
    pub(crate) opened_at: DateTime<Utc>,
    /// When it closes by itself.
    pub(crate) closes_at: DateTime<Utc>,
    /// When it was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) closed_at: Option<DateTime<Utc>>,
    /// The version of its feed: that of its last event.
    #[schema(minimum = 0)]
    pub(crate) v: i64,
    /// How many messages the caller has not read.
    #[schema(minimum = 0)]
    pub(crate) unread: i64,
}

/// What an alarm is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum AlarmKind {
    /// Somebody answered my message.
    Reply,
    /// Somebody reacted to my message.
    Reaction,
    /// Somebody wrote `@` and my user id.
    Mention,
    /// I was kicked.
    Kicked,
    /// I am the host now.
    MadeHost,
    /// My room was closed.
    RoomClosed,
    /// The food is in the box.
    OrderArrived,
}

/// Something that the caller should know of.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlarmView {
    /// The same as on live connections.
    #[schema(example = "box-2-4711-mention")]
    pub(crate) id: String,
    /// What it is about.
    pub(crate) kind: AlarmKind,
    /// When it happened.
    pub(crate) at: DateTime<Utc>,
    /// The room in which it happened.
    #[schema(schema_with = schemas::room_id)]
    pub(crate) room_id: String,
    /// The message that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::message_id)]
    pub(crate) message_id: Option<String>,
    /// Who made it happen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::user_id)]
    pub(crate) by: Option<String>,
    /// With `position` and `kind` the key of the list.
    #[serde(skip)]
    pub(crate) box_id: String,
    /// The event's sequence in the log.
    #[serde(skip)]
    pub(crate) position: i64,
}
