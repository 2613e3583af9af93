//! Rooms and their members as clients see them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schemas;

/// Whether a room accepts anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum RoomStatus {
    /// It does.
    Open,
    /// It does not any more.
    Closed,
}

/// Why a room was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum ClosedReason {
    /// The host closed it.
    Host,
    /// The last member left.
    Empty,
    /// Its deadline passed.
    Expired,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum Step {
    /// People still join.
    Gathering,
    /// Everybody says what they want.
    Ordering,
    /// The host has ordered.
    Ordered,
    /// The food is on its way.
    Delivering,
    /// The food is in the box.
    Arrived,
    /// Everybody has taken theirs.
    Collected,
}

/// How somebody who ever joined a room stands to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum Standing {
    /// Is inside, or was when the room closed: may read everything.
    Inside,
    /// Went.
    Left,
    /// Was put out by the host.
    Kicked,
}

/// A room.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoomView {
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
}

/// Somebody inside a room.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemberView {
    /// Who.
    #[schema(schema_with = schemas::user_id)]
    pub(crate) user_id: String,
    /// How they are called; absent once they are erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) nickname: Option<String>,
    /// Whether it is their room.
    pub(crate) host: bool,
    /// When they came.
    pub(crate) joined_at: DateTime<Utc>,
    /// The order of joining, which is the order of the list.
    #[serde(skip)]
    pub(crate) seat: i64,
}
