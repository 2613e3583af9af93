//! Stores, from which members of a room order.

use domain::StoreId;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::schemas;

pub(crate) mod list;
pub(crate) mod show;

/// The path of one store.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct StorePath {
    /// The id of the store.
    #[serde(rename = "store")]
    #[param(rename = "store", value_type = schemas::StoreId, inline)]
    pub(crate) store_id: StoreId,
}
