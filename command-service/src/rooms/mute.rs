//! `PUT` and `DELETE /rooms/{room}/members/{user}/mute`

#![expect(clippy::unnecessary_wraps, reason = "eserde generates such a function for a field with its own deserializer")]

use axum::extract::State;
use domain::{RoomCommand, values::MuteMinutes};
use eserde::Deserialize;
use service_kit::{auth::AsUser, extract::Path};
use utoipa::ToSchema;

use crate::{
    answer::Done,
    app::App,
    error::Error,
    numbers::whole_number,
    paths::MemberPath,
    request::{BareCommand, Command},
    schemas,
};

/// The time for which a member is muted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "minutes": 10 }))]
pub(crate) struct MuteMember {
    /// The number of minutes from now on.
    #[serde(deserialize_with = "whole_number")]
    #[schema(value_type = schemas::MuteMinutes)]
    minutes: MuteMinutes,
}

/// Mutes a member for some time
///
/// Until then the member can read and delete own messages, but cannot post, edit or react, also after leaving the room
/// and joining it again.
#[utoipa::path(
    put, path = "/rooms/{room}/members/{user}/mute", tag = "rooms", params(MemberPath), request_body = MuteMember
)]
pub(crate) async fn mute_member(
    State(app): State<App>,
    AsUser(by): AsUser,
    Path(MemberPath { room_id, user_id }): Path<MemberPath>,
    Command { body: MuteMember { minutes }, stamp }: Command<MuteMember>,
) -> Result<Done, Error> {
    let command = RoomCommand::MuteMember { by: by.clone(), user_id, minutes, at: stamp.at }.in_room(room_id.clone());
    let committed = app.change_room(&room_id, command, stamp.by(&by)).await?;
    Ok(Done::of(&committed))
}

/// Ends the muting of a member
#[utoipa::path(delete, path = "/rooms/{room}/members/{user}/mute", tag = "rooms", params(MemberPath))]
pub(crate) async fn unmute_member(
    State(app): State<App>,
    AsUser(by): AsUser,
    Path(MemberPath { room_id, user_id }): Path<MemberPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let command = RoomCommand::UnmuteMember { by: by.clone(), user_id, at: stamp.at }.in_room(room_id.clone());
    let committed = app.change_room(&room_id, command, stamp.by(&by)).await?;
    Ok(Done::of(&committed))
}
