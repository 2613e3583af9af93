//! The caller's own data: account, rooms and alarms.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::{
    schemas,
    views::{ClosedReason, RoomStatus, Step},
};

/// The kinds of alarms that are pushed.
pub(crate) type Preferences = Json<BTreeMap<String, bool>>;

/// The devices that receive push messages.
pub(crate) type Devices = Json<Vec<DeviceView>>;

/// The caller's account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MeView {
    /// The id of the user.
    #[schema(schema_with = schemas::user_id)]
    pub(crate) user_id: String,
    /// The nickname.
    pub(crate) nickname: String,
    /// The time of registration.
    pub(crate) registered_at: DateTime<Utc>,
    /// True or false for each kind of alarm: whether it is pushed. Absent kinds are pushed.
    #[schema(value_type = BTreeMap<String, bool>)]
    pub(crate) notification_preferences: Preferences,
    /// The devices that receive push messages.
    #[schema(value_type = Vec<DeviceView>)]
    pub(crate) devices: Devices,
}

/// A device that receives push messages.
#[derive(Debug, Serialize, serde::Deserialize, ToSchema)]
pub(crate) struct DeviceView {
    /// The id of the device.
    #[schema(schema_with = schemas::device_id)]
    pub(crate) device_id: String,
    /// The time of registration.
    pub(crate) registered_at: DateTime<Utc>,
}

/// A room that the caller is a member of, or was when it closed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MyRoomView {
    /// The id of the room.
    #[schema(schema_with = schemas::room_id)]
    pub(crate) room_id: String,
    /// The box of the room.
    #[schema(schema_with = schemas::box_id)]
    pub(crate) box_id: String,
    /// The store that the members order from.
    #[schema(schema_with = schemas::store_id)]
    pub(crate) store_id: String,
    /// The title of the room.
    pub(crate) title: String,
    /// True if the user who opened the room was erased, and the title with them.
    pub(crate) title_erased: bool,
    /// The status of the room.
    pub(crate) status: RoomStatus,
    /// The reason why the room was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) closed_reason: Option<ClosedReason>,
    /// The user id of the host.
    #[schema(schema_with = schemas::user_id)]
    pub(crate) host: String,
    /// The number of members.
    #[schema(minimum = 0, maximum = 100)]
    pub(crate) member_count: i32,
    /// The maximum number of members.
    #[schema(minimum = 2, maximum = 100)]
    pub(crate) max_members: i32,
    /// True if joining needs a password.
    pub(crate) locked: bool,
    /// The step of the order.
    pub(crate) step: Step,
    /// The time of opening.
    pub(crate) opened_at: DateTime<Utc>,
    /// The time at which the room closes automatically.
    pub(crate) closes_at: DateTime<Utc>,
    /// The time of closing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) closed_at: Option<DateTime<Utc>>,
    /// The version of the last event in the room's feed.
    #[schema(minimum = 0)]
    pub(crate) v: i64,
    /// The number of messages that the caller has not read.
    #[schema(minimum = 0)]
    pub(crate) unread: i64,
}

/// The kind of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum AlarmKind {
    /// A reply to a message of the user.
    Reply,
    /// A reaction to a message of the user.
    Reaction,
    /// A message with `@` and the user's id.
    Mention,
    /// The user was kicked.
    Kicked,
    /// The user became the host.
    MadeHost,
    /// A room of the user was closed.
    RoomClosed,
    /// The delivery is in the box.
    OrderArrived,
}

/// An alarm of the caller.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlarmView {
    /// The id of the alarm, the same on live connections.
    #[schema(example = "box-2-4711-mention")]
    pub(crate) id: String,
    /// The kind of the alarm.
    pub(crate) kind: AlarmKind,
    /// The time of the event that caused it.
    pub(crate) at: DateTime<Utc>,
    /// The room of the event.
    #[schema(schema_with = schemas::room_id)]
    pub(crate) room_id: String,
    /// The message that the alarm is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::message_id)]
    pub(crate) message_id: Option<String>,
    /// The user who caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::user_id)]
    pub(crate) by: Option<String>,
    /// The box of the event. With `at`, `position` and `kind`, the sort key of the list.
    #[serde(skip)]
    pub(crate) box_id: String,
    /// The sequence of the event in the log.
    #[serde(skip)]
    pub(crate) position: i64,
}
