//! Users as others see them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::schemas;

/// A user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({ "user_id": "ana", "nickname": "Ana", "erased": false }))]
pub(crate) struct UserView {
    /// The id of the user.
    #[schema(schema_with = schemas::user_id)]
    pub(crate) user_id: String,
    /// The nickname; null if the user was erased.
    #[schema(required)]
    pub(crate) nickname: Option<String>,
    /// True if the user was erased.
    pub(crate) erased: bool,
}
