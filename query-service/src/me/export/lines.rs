//! The lines of an export.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::{
    schemas,
    views::{AlarmKind, DeviceView, Preferences, QuietHours, QuietHoursView, RoomStatus, Standing, Step},
};

/// The version of the lines. It changes if a field changes its meaning, and not for additional fields and types.
pub(super) const FORMAT: u32 = 1;

/// A line of an export.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ExportLine {
    /// The first line.
    Export {
        /// The version of the lines.
        #[schema(example = 1)]
        format: u32,
        /// The user.
        #[schema(schema_with = schemas::user_id)]
        user_id: String,
    },
    /// The account and its settings. Absent for a user who is not registered.
    Account(ExportedAccount),
    /// A device that receives push messages, without its address at the provider.
    Device(DeviceView),
    /// A muted room.
    MutedRoom {
        /// The room.
        #[schema(schema_with = schemas::room_id)]
        room_id: String,
    },
    /// A blocked user.
    BlockedUser {
        /// The blocked user.
        #[schema(schema_with = schemas::user_id)]
        user_id: String,
        /// The time of the block.
        blocked_at: DateTime<Utc>,
    },
    /// The sequence in a stream of the log up to which alarms are read.
    AlarmsRead {
        /// The stream.
        #[schema(example = "box-2")]
        stream: String,
        /// The sequence.
        up_to: i64,
    },
    /// A private box that the user may use.
    PrivateBox {
        /// The box.
        #[schema(schema_with = schemas::box_id)]
        box_id: String,
    },
    /// A room in which the user is or was a member. The user's messages and reactions in it follow.
    Room(ExportedRoom),
    /// A message of the user.
    Message(ExportedMessage),
    /// A reaction of the user.
    Reaction {
        /// The room.
        #[schema(schema_with = schemas::room_id)]
        room_id: String,
        /// The message.
        #[schema(schema_with = schemas::message_id)]
        message_id: String,
        /// The emoji or short code.
        #[schema(example = "👍")]
        emoji: String,
    },
    /// An alarm of the user.
    Alarm(ExportedAlarm),
    /// A report that the user has filed, or a message of the user that a filter holds back.
    Report(ExportedReport),
    /// The place up to which the export is complete.
    Cursor {
        /// The `cursor` of a request that continues here.
        cursor: String,
    },
    /// The last line of a complete export.
    End,
}

/// The account and its settings.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportedAccount {
    /// The id of the user.
    #[schema(schema_with = schemas::user_id)]
    pub(crate) user_id: String,
    /// The nickname.
    pub(crate) nickname: String,
    /// The time of registration.
    pub(crate) registered_at: DateTime<Utc>,
    /// True or false for each kind of alarm: whether it is pushed. Absent kinds are pushed.
    #[schema(value_type = std::collections::BTreeMap<String, bool>)]
    pub(crate) notification_preferences: Preferences,
    /// The hours of each day without push messages; null if there are none.
    #[schema(required, value_type = Option<QuietHoursView>)]
    pub(crate) quiet_hours: Option<QuietHours>,
    /// True if other members are shown the user's read markers.
    pub(crate) share_read_markers: bool,
}

/// A room in which the user is or was a member.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportedRoom {
    /// The room.
    #[schema(schema_with = schemas::room_id)]
    pub(crate) room_id: String,
    /// The store to order from; null if the user does not see the room any more.
    #[schema(required, example = "noodles")]
    pub(crate) store_id: Option<String>,
    /// The title if the user gave it; null otherwise.
    #[schema(required)]
    pub(crate) title: Option<String>,
    /// Open or closed; null if the user does not see the room any more.
    #[schema(required)]
    pub(crate) status: Option<RoomStatus>,
    /// The step of the order; null if the user does not see the room any more.
    #[schema(required)]
    pub(crate) step: Option<Step>,
    /// The time of the opening.
    pub(crate) opened_at: DateTime<Utc>,
    /// The time of the closing.
    #[schema(required)]
    pub(crate) closed_at: Option<DateTime<Utc>>,
    /// True if the user is the host, or was when the room closed.
    pub(crate) is_host: bool,
    /// True if the user is a co-host, or was when the room closed.
    pub(crate) is_co_host: bool,
    /// The end of the last muting of the user.
    #[schema(required)]
    pub(crate) muted_until: Option<DateTime<Utc>>,
    /// The user's standing in the room.
    pub(crate) standing: Standing,
    /// The time at which the user joined.
    pub(crate) joined_at: DateTime<Utc>,
    /// The read marker: the last message that the user has read.
    #[schema(required, schema_with = schemas::message_id_or_null)]
    pub(crate) read_up_to: Option<String>,
}

/// A message of the user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportedMessage {
    /// The room.
    #[schema(schema_with = schemas::room_id)]
    pub(crate) room_id: String,
    /// The message.
    #[schema(schema_with = schemas::message_id)]
    pub(crate) message_id: String,
    /// The text; null if the message was deleted.
    #[schema(required, max_length = 16000)]
    pub(crate) body: Option<String>,
    /// The message that this one replies to.
    #[schema(required, schema_with = schemas::message_id_or_null)]
    pub(crate) reply_to: Option<String>,
    /// The time of posting.
    pub(crate) posted_at: DateTime<Utc>,
    /// The time of the last edit.
    #[schema(required)]
    pub(crate) edited_at: Option<DateTime<Utc>>,
    /// The ids of the mentioned members.
    #[schema(value_type = Vec<String>, max_items = 20)]
    pub(crate) mentions: Json<Vec<String>>,
    /// True if the user mentioned all members.
    pub(crate) mentions_all: bool,
}

/// An alarm of the user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportedAlarm {
    /// The id of the alarm.
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
    #[schema(required, schema_with = schemas::message_id_or_null)]
    pub(crate) message_id: Option<String>,
    /// The user who caused it; of reactions, the latest.
    #[schema(required)]
    pub(crate) by: Option<String>,
    /// The number of users who reacted; 1 for other kinds.
    pub(crate) count: i32,
    /// The reason for which the alarm was withdrawn; null while it stands.
    #[schema(required)]
    pub(crate) withdrawn: Option<String>,
    /// The stream of the event.
    #[serde(skip)]
    pub(crate) stream: String,
    /// The sequence of the event.
    #[serde(skip)]
    pub(crate) position: i64,
}

/// A report that the user has filed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportedReport {
    /// The id of the report.
    pub(crate) report_id: String,
    /// The reported user.
    #[schema(schema_with = schemas::user_id)]
    pub(crate) user_id: String,
    /// The room of the reported message.
    #[schema(required)]
    pub(crate) room_id: Option<String>,
    /// The reported message.
    #[schema(required, schema_with = schemas::message_id_or_null)]
    pub(crate) message_id: Option<String>,
    /// The text of the user's message that a filter holds back; null in reports that the user has filed.
    #[schema(required, max_length = 16000)]
    pub(crate) text: Option<String>,
    /// The category; `held` for a message that a filter holds back.
    #[schema(example = "spam")]
    pub(crate) category: String,
    /// The user's note; null if there is none, and when the report is forgotten.
    #[schema(required)]
    pub(crate) note: Option<String>,
    /// The time of the report.
    pub(crate) filed_at: DateTime<Utc>,
    /// `open`, `claimed` or `closed`.
    #[schema(example = "open")]
    pub(crate) state: String,
}
