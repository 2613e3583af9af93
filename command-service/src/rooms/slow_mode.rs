//! `PUT /rooms/{room}/slow-mode`

#![expect(clippy::unnecessary_wraps, reason = "eserde generates such a function for a field with its own deserializer")]

use axum::extract::State;
use domain::{RoomCommand, values::SlowModeSeconds};
use eserde::Deserialize;
use service_kit::{auth::AsUser, extract::Path};
use utoipa::ToSchema;

use crate::{answer::Done, app::App, error::Error, numbers::whole_number, paths::RoomPath, request::Command, schemas};

/// The least time between two messages of a member.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "seconds": 30 }))]
pub(crate) struct SetSlowMode {
    /// The number of seconds; 0 for no limit.
    #[serde(deserialize_with = "whole_number")]
    #[schema(value_type = schemas::SlowModeSeconds)]
    seconds: SlowModeSeconds,
}

/// Sets the least time between two messages of a member
///
/// The host and the co-hosts are not limited.
#[utoipa::path(put, path = "/rooms/{room}/slow-mode", tag = "rooms", params(RoomPath), request_body = SetSlowMode)]
pub(crate) async fn set_slow_mode(
    State(app): State<App>,
    AsUser(by): AsUser,
    Path(RoomPath { room_id }): Path<RoomPath>,
    Command { body: SetSlowMode { seconds }, stamp }: Command<SetSlowMode>,
) -> Result<Done, Error> {
    let command = RoomCommand::SetSlowMode { by: by.clone(), seconds, at: stamp.at }.in_room(room_id.clone());
    let committed = app.change_room(&room_id, command, stamp.by(&by)).await?;
    Ok(Done::of(&committed))
}
