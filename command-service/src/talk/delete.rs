//! `DELETE /rooms/{room}/messages/{message}`

use axum::extract::State;
use domain::{BoxRefusal, MessageId, RoomCommand, RoomId, TalkCommand};
use event_store::{CommandContext, CommandError};
use service_kit::{auth::AsUser, extract::Path};

use crate::{answer::Done, app::App, error::Error, paths::MessagePath, request::BareCommand};

/// Deletes a message, as its author, as the host or as a co-host
#[utoipa::path(delete, path = "/rooms/{room}/messages/{message}", tag = "talk", params(MessagePath))]
pub(crate) async fn delete_message(
    State(app): State<App>,
    AsUser(by): AsUser,
    Path(MessagePath { room_id, message_id }): Path<MessagePath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let original = app.original(&room_id, message_id).await?;
    let context = stamp.by(&by);
    let command = TalkCommand::DeleteMessage { by: by.clone(), original, at: stamp.at }.in_room(room_id.clone());
    let committed = app.in_room(&room_id, command, context).await?;
    unpin(&app, &room_id, message_id, &stamp.by(&by)).await;
    Ok(Done::of(&committed))
}

/// Removes the pin of a deleted message from the state of the room. Also serves the repeat of a deletion.
pub(crate) async fn unpin(app: &App, room_id: &RoomId, message_id: MessageId, context: &CommandContext) {
    if let Err(error) = try_to_unpin(app, room_id, message_id, context).await {
        // Members do not see the pin any more. It only counts until later pins replace it.
        tracing::warn!(room.id = %room_id, %error, "the pin of a deleted message was not removed");
    }
}

async fn try_to_unpin(
    app: &App,
    room_id: &RoomId,
    message_id: MessageId,
    context: &CommandContext,
) -> Result<(), CommandError<BoxRefusal>> {
    let (state, _) = app.boxes.load(room_id.box_id()).await?;
    if state.last_room(room_id).is_none_or(|room| !room.pins().contains(&message_id)) {
        return Ok(());
    }
    let command = RoomCommand::UnpinDeleted { message_id, at: context.at }.in_room(room_id.clone());
    // The key is that of the deletion.
    let context = CommandContext { command_id: None, ..context.clone() };
    app.boxes.execute(room_id.box_id(), command, context).await.map(drop)
}
