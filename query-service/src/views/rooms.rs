//! Rooms and their members as clients see them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::schemas;

/// The status of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum RoomStatus {
    /// The room accepts members and messages.
    Open,
    /// The room accepts nothing any more.
    Closed,
}

/// The reason why a room was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum ClosedReason {
    /// The host closed it.
    Host,
    /// The last member left.
    Empty,
    /// The room's time was up.
    Expired,
    /// A moderator closed it.
    Moderator,
    /// Its box was retired.
    BoxRetired,
}

/// The step of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum Step {
    /// Members join.
    Gathering,
    /// Members choose their dishes.
    Ordering,
    /// The host has ordered.
    Ordered,
    /// The delivery is on its way.
    Delivering,
    /// The delivery is in the box.
    Arrived,
    /// All members have collected their orders.
    Collected,
}

/// The standing of a user who has ever joined a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum Standing {
    /// Is a member, or was when the room closed: may read everything.
    Inside,
    /// Has left.
    Left,
    /// Was kicked by the host.
    Kicked,
}

/// A room.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoomView {
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
    /// True if the user who gave the title was erased, and the title with them.
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
    /// The least time between two messages of a member in seconds; 0 if there is no limit.
    #[schema(minimum = 0, maximum = 21600)]
    pub(crate) slow_mode_seconds: i32,
    /// The ids of the pinned messages, the oldest pin first. Only in the response about one room, for its members.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<Vec<String>>, max_items = 3)]
    pub(crate) pinned: Option<Pins>,
    /// The distance from the location of the request, in metres.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    pub(crate) distance_m: Option<f64>,
}

/// The ids of pinned messages, in a row of the database.
pub(crate) type Pins = Json<Vec<String>>;

/// A valid invitation to a room, without its token.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvitationView {
    /// The number of the invitation in the room.
    #[schema(example = "1")]
    pub(crate) invitation: String,
    /// The user id of the host or the co-host who made it.
    #[schema(schema_with = schemas::user_id)]
    pub(crate) by: String,
    /// The number of users who can join with it.
    #[schema(minimum = 1, maximum = 100)]
    pub(crate) max_uses: i32,
    /// The number of users who have joined with it.
    #[schema(minimum = 0, maximum = 100)]
    pub(crate) uses: i32,
    /// The time of its creation.
    pub(crate) created_at: DateTime<Utc>,
    /// The time at which it ends.
    pub(crate) expires_at: DateTime<Utc>,
}

/// An open room in the lobby.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct LobbyRoomView {
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
    /// The user id of the host.
    #[schema(schema_with = schemas::user_id)]
    pub(crate) host: String,
    /// The number of members.
    #[schema(minimum = 0, maximum = 100)]
    pub(crate) member_count: i32,
    /// The maximum number of members.
    #[schema(minimum = 2, maximum = 100)]
    pub(crate) max_members: i32,
    /// True if the room has as many members as it can have.
    #[serde(rename = "full")]
    pub(crate) is_full: bool,
    /// True if joining needs a password.
    pub(crate) locked: bool,
    /// The step of the order.
    pub(crate) step: Step,
    /// The time of opening.
    pub(crate) opened_at: DateTime<Utc>,
    /// The time at which the room closes automatically.
    pub(crate) closes_at: DateTime<Utc>,
}

/// A member of a room.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemberView {
    /// The user id.
    #[schema(schema_with = schemas::user_id)]
    pub(crate) user_id: String,
    /// The nickname; null if the user was erased.
    #[schema(required)]
    pub(crate) nickname: Option<String>,
    /// True if the member is the host.
    pub(crate) host: bool,
    /// True if the member is a co-host.
    pub(crate) co_host: bool,
    /// The time until which the member is muted. Absent if the member is not muted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) muted_until: Option<DateTime<Utc>>,
    /// The time of joining.
    pub(crate) joined_at: DateTime<Utc>,
    /// The last message that the member has marked as read. Absent if there is none, if the member hides it, in closed
    /// rooms, and if the installation does not show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::message_id)]
    pub(crate) read_up_to: Option<String>,
    /// The order of joining, which is the order of the list.
    #[serde(skip)]
    pub(crate) seat: i64,
}
