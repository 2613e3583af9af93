//! Users as others see them.

use domain::UserId;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::schemas;

pub(crate) mod list;
pub(crate) mod show;

/// The path of one user.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct UserPath {
    /// The id of the user.
    #[serde(rename = "user")]
    #[param(rename = "user", value_type = schemas::UserId, inline)]
    pub(crate) user_id: UserId,
}
