//! `DELETE /rooms/{room}`

use axum::extract::State;
use domain::RoomCommand;
use service_kit::{auth::AsUser, extract::Path};

use crate::{answer::Done, app::App, error::Error, paths::RoomPath, request::BareCommand};

/// Closes the room and frees its box
#[utoipa::path(delete, path = "/rooms/{room}", tag = "rooms", params(RoomPath))]
pub(crate) async fn close_room(
    State(app): State<App>,
    AsUser(by): AsUser,
    Path(RoomPath { room_id }): Path<RoomPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    // The deadline stays scheduled and will find nothing to do. Cancelling it could hit the deadline of the box's next
    // room.
    let command = RoomCommand::CloseRoom { by: by.clone(), at: stamp.at }.in_room(room_id.clone());
    let committed = app.in_room(&room_id, command, stamp.by(&by)).await?;
    Ok(Done::of(&committed))
}
