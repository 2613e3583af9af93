//! The parameters of paths.

use domain::{BoxId, DeviceId, MessageId, RoomId, StoreId, UserId};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{schemas, sessions::list::SessionId};

/// A box.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct BoxPath {
    /// The box.
    #[serde(rename = "box")]
    #[param(rename = "box", value_type = schemas::BoxId, inline)]
    pub(crate) box_id: BoxId,
}

/// A store.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct StorePath {
    /// The store.
    #[serde(rename = "store")]
    #[param(rename = "store", value_type = schemas::StoreId, inline)]
    pub(crate) store_id: StoreId,
}

/// A user.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct UserPath {
    /// The user.
    #[serde(rename = "user")]
    #[param(rename = "user", value_type = schemas::UserId, inline)]
    pub(crate) user_id: UserId,
}

/// One of the caller's devices.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct DevicePath {
    /// The device.
    #[serde(rename = "device")]
    #[param(rename = "device", value_type = schemas::DeviceId, inline)]
    pub(crate) device_id: DeviceId,
}

/// One of the caller's sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SessionPath {
    /// The session.
    #[param(value_type = schemas::SessionId, inline)]
    pub(crate) session: SessionId,
}

/// A room.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RoomPath {
    /// The room.
    #[serde(rename = "room")]
    #[param(rename = "room", value_type = schemas::RoomId, inline)]
    pub(crate) room_id: RoomId,
}

/// A member of a room.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MemberPath {
    /// The room.
    #[serde(rename = "room")]
    #[param(rename = "room", value_type = schemas::RoomId, inline)]
    pub(crate) room_id: RoomId,
    /// The member.
    #[serde(rename = "user")]
    #[param(rename = "user", value_type = schemas::UserId, inline)]
    pub(crate) user_id: UserId,
}

/// A message of a room.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MessagePath {
    /// The room.
    #[serde(rename = "room")]
    #[param(rename = "room", value_type = schemas::RoomId, inline)]
    pub(crate) room_id: RoomId,
    /// The message.
    #[serde(rename = "message")]
    #[param(rename = "message", value_type = schemas::MessageId, inline)]
    pub(crate) message_id: MessageId,
}

/// A reaction to a message.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ReactionPath {
    /// The room.
    #[serde(rename = "room")]
    #[param(rename = "room", value_type = schemas::RoomId, inline)]
    pub(crate) room_id: RoomId,
    /// The message.
    #[serde(rename = "message")]
    #[param(rename = "message", value_type = schemas::MessageId, inline)]
    pub(crate) message_id: MessageId,
    /// The emoji or short code, percent-encoded.
    #[param(value_type = schemas::Emoji, inline)]
    pub(crate) emoji: String,
}
