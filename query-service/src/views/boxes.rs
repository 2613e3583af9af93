//! Boxes as clients see them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::schemas;

/// Whether a room can be opened on a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum BoxStatus {
    /// It waits for a room.
    Free,
    /// A room is open on it.
    InUse,
    /// It is being repaired.
    OutOfService,
    /// It is gone for good.
    Retired,
}

/// Who may use a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum BoxKind {
    /// Everybody.
    Shared,
    /// The residents of a building.
    Private,
}

/// A delivery box.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BoxView {
    /// Its id.
    #[schema(schema_with = schemas::box_id)]
    pub(crate) box_id: String,
    /// Whether a room can be opened on it.
    pub(crate) status: BoxStatus,
    /// The room that is open on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::room_id)]
    pub(crate) room_id: Option<String>,
    /// Why it is out of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) out_of_service_reason: Option<String>,
    /// Who may use it.
    pub(crate) kind: BoxKind,
    /// Postal code.
    #[schema(schema_with = schemas::zip_code)]
    pub(crate) zip_code: String,
    /// Street address.
    pub(crate) address: String,
    /// Floor, door, corner.
    pub(crate) detailed_address: String,
    /// Degrees north.
    #[schema(minimum = -90.0, maximum = 90.0)]
    pub(crate) latitude: f64,
    /// Degrees east.
    #[schema(minimum = -180.0, maximum = 180.0)]
    pub(crate) longitude: f64,
    /// When it was installed.
    pub(crate) installed_at: DateTime<Utc>,
    /// Metres from the place in `near`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0.0)]
    pub(crate) distance_m: Option<f64>,
}
