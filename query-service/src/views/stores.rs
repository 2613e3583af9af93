//! Stores as clients see them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::schemas;

/// A store of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StoreView {
    /// The id of the store.
    #[schema(schema_with = schemas::store_id)]
    pub(crate) store_id: String,
    /// The name of the store.
    pub(crate) name: String,
    /// Postal code.
    #[schema(schema_with = schemas::zip_code)]
    pub(crate) zip_code: String,
    /// The category of the store's food.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) category: Option<String>,
    /// True if the store takes orders.
    pub(crate) open: bool,
    /// True if the store was retired for good.
    pub(crate) retired: bool,
    /// The time of registration.
    pub(crate) registered_at: DateTime<Utc>,
}
