//! Rooms and their contents.

use domain::RoomId;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::schemas;

pub(crate) mod access;
mod by_words;
pub(crate) mod events;
pub(crate) mod find;
pub(crate) mod invitations;
pub(crate) mod list;
pub(crate) mod members;
pub(crate) mod message;
pub(crate) mod messages;
pub(crate) mod show;

/// The path of one room.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RoomPath {
    /// The id of the room.
    #[serde(rename = "room")]
    #[param(rename = "room", value_type = schemas::RoomId, inline)]
    pub(crate) room_id: RoomId,
}
