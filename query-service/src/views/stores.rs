//! Stores as clients see them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::schemas;

/// A store of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StoreView {
    /// Its id.
    #[schema(schema_with = schemas::store_id)]
    pub(crate) store_id: String,
    /// What it is called.
    pub(crate) name: String,
    /// Postal code.
    #[schema(schema_with = schemas::zip_code)]
    pub(crate) zip_code: String,
    /// What it sells.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) category: Option<String>,
    /// Whether it takes orders.
    pub(crate) open: bool,
    /// When it came into the catalogue.
    pub(crate) registered_at: DateTime<Utc>,
}
