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

/// The quiet hours, in a row of the database.
pub(crate) type QuietHours = Json<QuietHoursView>;

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
    /// The hours of each day without push messages; null if there are none.
    #[schema(required, value_type = Option<QuietHoursView>)]
    pub(crate) quiet_hours: Option<QuietHours>,
    /// True if other members are shown the user's read markers.
    pub(crate) share_read_markers: bool,
    /// The devices that receive push messages.
    #[schema(value_type = Vec<DeviceView>)]
    pub(crate) devices: Devices,
}

/// The hours of each day without push messages.
#[derive(Debug, Serialize, serde::Deserialize, ToSchema)]
pub(crate) struct QuietHoursView {
    /// The time zone of the times, by its name in the IANA database.
    #[schema(example = "Asia/Seoul")]
    time_zone: String,
    /// The first quiet minute.
    #[schema(example = "22:00")]
    from: String,
    /// The minute after the last quiet one; on the next day if it is earlier than `from`.
    #[schema(example = "07:00")]
    to: String,
}

/// A device that receives push messages.
#[derive(Debug, Serialize, serde::Deserialize, ToSchema)]
pub(crate) struct DeviceView {
    /// The id of the device.
    #[schema(schema_with = schemas::device_id)]
    pub(crate) device_id: String,
    /// The push provider.
    #[schema(schema_with = schemas::push_provider)]
    pub(crate) provider: String,
    /// The language of push messages, a language tag (BCP 47).
    #[schema(example = "ko")]
    pub(crate) locale: String,
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
    /// The number of messages after the caller's read marker, without deleted ones and the caller's own.
    #[schema(minimum = 0)]
    pub(crate) unread: i64,
    /// The last message that the caller has marked as read; null if there is none.
    #[schema(required, schema_with = schemas::message_id_or_null)]
    pub(crate) read_up_to: Option<String>,
    /// True if the caller has muted the room.
    pub(crate) muted: bool,
    /// The last message of the room; null if there is none.
    #[schema(required, value_type = Option<LastMessageView>)]
    pub(crate) last_message: Option<LastMessage>,
    /// The time of the last activity. With `room_id`, the sort key of the list.
    #[serde(skip)]
    pub(crate) active_at: DateTime<Utc>,
}

/// The last message of a room, in a row of the database.
pub(crate) type LastMessage = Json<LastMessageView>;

/// The last message of a room.
#[derive(Debug, Serialize, serde::Deserialize, ToSchema)]
pub(crate) struct LastMessageView {
    /// The id of the message.
    #[schema(schema_with = schemas::message_id)]
    pub(crate) message_id: String,
    /// The user id of the author.
    #[schema(schema_with = schemas::user_id)]
    pub(crate) author: String,
    /// The beginning of the text, at most 100 code points, without a part of a character at the end; null if the
    /// message was deleted.
    #[schema(required, max_length = 100)]
    pub(crate) preview: Option<String>,
    /// True if the author was erased, and the text with them.
    pub(crate) erased: bool,
    /// The time of posting.
    pub(crate) posted_at: DateTime<Utc>,
    /// True if the caller has blocked the author; absent otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) blocked: bool,
}

/// A user that the caller has blocked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BlockView {
    /// The id of the user.
    #[schema(schema_with = schemas::user_id)]
    pub(crate) user_id: String,
    /// The nickname; null if the user was erased, or is not known here.
    #[schema(required)]
    pub(crate) nickname: Option<String>,
    /// The time of blocking.
    pub(crate) blocked_at: DateTime<Utc>,
}

/// The kind of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum AlarmKind {
    /// A reply to a message of the user.
    Reply,
    /// Reactions to a message of the user within an hour.
    Reaction,
    /// A message with `@` and the user's id.
    Mention,
    /// The user was kicked.
    Kicked,
    /// The user became the host.
    MadeHost,
    /// A room of the user closes automatically in ten minutes.
    ClosingSoon,
    /// A room of the user was closed.
    RoomClosed,
    /// The delivery is in the box.
    OrderArrived,
    /// A room of the user was extended.
    RoomExtended,
    /// The door of the box was opened.
    DoorOpened,
    /// The first message in a room of the user after 30 minutes without one.
    MessageAfterSilence,
}

/// An alarm of the caller.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlarmView {
    /// The id of the alarm, the same on live connections.
    #[schema(example = "box-2-4711-mention")]
    pub(crate) id: String,
    /// The kind of the alarm.
    pub(crate) kind: AlarmKind,
    /// The time of the event that caused it; of reactions, the first.
    pub(crate) at: DateTime<Utc>,
    /// The room of the event.
    #[schema(schema_with = schemas::room_id)]
    pub(crate) room_id: String,
    /// The message that the alarm is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::message_id)]
    pub(crate) message_id: Option<String>,
    /// The user who caused it; of reactions, the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::user_id)]
    pub(crate) by: Option<String>,
    /// The number of users who reacted; 1 for other kinds.
    #[schema(minimum = 1)]
    pub(crate) count: i32,
    /// True if the user has marked it as read.
    pub(crate) read: bool,
    /// The box of the event. With `at`, `position` and `kind`, the sort key of the list.
    #[serde(skip)]
    pub(crate) box_id: String,
    /// The sequence of the event in the log.
    #[serde(skip)]
    pub(crate) position: i64,
}
