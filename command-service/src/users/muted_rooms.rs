//! `PUT` and `DELETE /users/me/muted-rooms/{room}`

use axum::extract::State;
use domain::UserCommand;
use service_kit::{auth::AsUser, extract::Path};

use crate::{answer::Done, app::App, error::Error, paths::RoomPath, request::BareCommand};

/// Mutes a room
///
/// A muted room keeps its alarms and unread counts. Of more than 200 muted rooms the oldest is unmuted.
#[utoipa::path(put, path = "/users/me/muted-rooms/{room}", tag = "users", params(RoomPath))]
pub(crate) async fn mute_room(
    State(app): State<App>,
    AsUser(user_id): AsUser,
    Path(RoomPath { room_id }): Path<RoomPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let committed = app.users.execute(&user_id, UserCommand::MuteRoom { room_id }, stamp.by(&user_id)).await?;
    Ok(Done::of(&committed))
}

/// Unmutes a room
#[utoipa::path(delete, path = "/users/me/muted-rooms/{room}", tag = "users", params(RoomPath))]
pub(crate) async fn unmute_room(
    State(app): State<App>,
    AsUser(user_id): AsUser,
    Path(RoomPath { room_id }): Path<RoomPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let committed = app.users.execute(&user_id, UserCommand::UnmuteRoom { room_id }, stamp.by(&user_id)).await?;
    Ok(Done::of(&committed))
}
