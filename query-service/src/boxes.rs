//! Boxes: their location and status.

use domain::BoxId;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::schemas;

pub(crate) mod list;
pub(crate) mod show;

/// The path of one box.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct BoxPath {
    /// The id of the box.
    #[serde(rename = "box")]
    #[param(rename = "box", value_type = schemas::BoxId, inline)]
    pub(crate) box_id: BoxId,
}
