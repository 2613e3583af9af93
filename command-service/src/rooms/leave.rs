//! `DELETE /rooms/{room}/members/me`

use axum::extract::State;
use domain::RoomCommand;
use service_kit::{auth::AsUser, extract::Path};

use crate::{answer::Done, app::App, error::Error, paths::RoomPath, request::BareCommand};

/// Leaves a room
///
/// When the host leaves, the longest-standing co-host becomes the host, or the longest-standing member without one.
/// When the last member leaves, the room is closed.
#[utoipa::path(delete, path = "/rooms/{room}/members/me", tag = "rooms", params(RoomPath))]
pub(crate) async fn leave_room(
    State(app): State<App>,
    AsUser(user_id): AsUser,
    Path(RoomPath { room_id }): Path<RoomPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let command = RoomCommand::LeaveRoom { user_id: user_id.clone(), at: stamp.at }.in_room(room_id.clone());
    let committed = app.in_room(&room_id, command, stamp.by(&user_id)).await?;
    Ok(Done::of(&committed))
}
