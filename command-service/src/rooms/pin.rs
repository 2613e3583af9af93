//! `PUT` and `DELETE /rooms/{room}/pins/{message}`

use axum::extract::State;
use domain::RoomCommand;
use service_kit::{auth::AsUser, extract::Path};

use crate::{answer::Done, app::App, error::Error, paths::MessagePath, request::BareCommand};

/// Pins a message
///
/// A room has at most three pinned messages: the oldest pin makes room for a new one. A deleted message is unpinned.
#[utoipa::path(put, path = "/rooms/{room}/pins/{message}", tag = "rooms", params(MessagePath))]
pub(crate) async fn pin_message(
    State(app): State<App>,
    AsUser(by): AsUser,
    Path(MessagePath { room_id, message_id }): Path<MessagePath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let original = app.original(&room_id, message_id).await?;
    let command = RoomCommand::PinMessage { by: by.clone(), original, at: stamp.at }.in_room(room_id.clone());
    let committed = app.change_room(&room_id, command, stamp.by(&by)).await?;
    Ok(Done::of(&committed))
}

/// Unpins a message
#[utoipa::path(delete, path = "/rooms/{room}/pins/{message}", tag = "rooms", params(MessagePath))]
pub(crate) async fn unpin_message(
    State(app): State<App>,
    AsUser(by): AsUser,
    Path(MessagePath { room_id, message_id }): Path<MessagePath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let command = RoomCommand::UnpinMessage { by: by.clone(), message_id, at: stamp.at }.in_room(room_id.clone());
    let committed = app.change_room(&room_id, command, stamp.by(&by)).await?;
    Ok(Done::of(&committed))
}
