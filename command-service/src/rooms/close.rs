//! `DELETE /rooms/{room}`

use axum::extract::State;
use domain::BoxCommand;
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
    let command = BoxCommand::CloseRoom { room_id: room_id.clone(), by: by.clone(), at: stamp.at };
    let committed = app.in_room(&room_id, command, stamp.by(&by)).await?;
    Ok(Done::of(&committed))
}
