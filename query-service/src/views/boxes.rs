//! Boxes as clients see them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::schemas;

/// The status of a box. A room can be opened on a free box only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum BoxStatus {
    /// A room can be opened on it.
    Free,
    /// A room is open on it.
    InUse,
    /// The box is out of service.
    OutOfService,
    /// The box was removed permanently.
    Retired,
}

/// The group of users that may use a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum BoxKind {
    /// All users.
    Shared,
    /// The users that an operator has allowed.
    Private,
}

/// A delivery box.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BoxView {
    /// The id of the box.
    #[schema(schema_with = schemas::box_id)]
    pub(crate) box_id: String,
    /// The status of the box.
    pub(crate) status: BoxStatus,
    /// The id of the open room on the box.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::room_id)]
    pub(crate) room_id: Option<String>,
    /// The reason why the box is out of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) out_of_service_reason: Option<String>,
    /// The group of users that may use the box.
    pub(crate) kind: BoxKind,
    /// The ids of the users who may use the box while it is private. Only in the response about one box, for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<Vec<String>>, max_items = 500)]
    pub(crate) users: Option<Json<Vec<String>>>,
    /// Postal code.
    #[schema(schema_with = schemas::zip_code)]
    pub(crate) zip_code: String,
    /// Street address.
    pub(crate) address: String,
    /// Details of the location: floor, door, corner.
    pub(crate) detailed_address: String,
    /// Degrees north.
    #[schema(minimum = -90.0, maximum = 90.0)]
    pub(crate) latitude: f64,
    /// Degrees east.
    #[schema(minimum = -180.0, maximum = 180.0)]
    pub(crate) longitude: f64,
    /// The time of installation.
    pub(crate) installed_at: DateTime<Utc>,
    /// Metres from the location in `near`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0.0)]
    pub(crate) distance_m: Option<f64>,
}
