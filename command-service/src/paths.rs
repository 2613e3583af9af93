//! The parameters of paths.

use domain::{BoxId, DeviceId, FilterId, MessageId, ReportId, RoomId, StoreId, UserId};
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

/// A user of a private box.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct BoxUserPath {
    /// The box.
    #[serde(rename = "box")]
    #[param(rename = "box", value_type = schemas::BoxId, inline)]
    pub(crate) box_id: BoxId,
    /// The user.
    #[serde(rename = "user")]
    #[param(rename = "user", value_type = schemas::UserId, inline)]
    pub(crate) user_id: UserId,
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

/// A filter.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct FilterPath {
    /// The filter.
    #[serde(rename = "filter")]
    #[param(rename = "filter", value_type = schemas::FilterId, inline)]
    pub(crate) filter_id: FilterId,
}

/// A report.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ReportPath {
    /// The report.
    #[serde(rename = "report")]
    #[param(rename = "report", value_type = schemas::ReportId, inline)]
    pub(crate) report_id: ReportId,
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

/// An invitation to a room.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct InvitationPath {
    /// The room.
    #[serde(rename = "room")]
    #[param(rename = "room", value_type = schemas::RoomId, inline)]
    pub(crate) room_id: RoomId,
    /// The number of the invitation.
    #[param(value_type = schemas::InvitationNumber, inline)]
    pub(crate) invitation: InvitationNumber,
}

/// The number of an invitation in its room.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct InvitationNumber(pub(crate) u32);

impl TryFrom<String> for InvitationNumber {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let is_number = text.len() <= 9 && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| is_number);
        number.map(Self).ok_or("is not the number of an invitation")
    }
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
