//! `DELETE /rooms/{room}/messages/{message}`

use axum::extract::State;
use domain::TalkCommand;
use service_kit::{auth::AsUser, extract::Path};

use crate::{answer::Done, app::App, error::Error, paths::MessagePath, request::BareCommand};

/// Deletes a message, as its author or as the host
#[utoipa::path(delete, path = "/rooms/{room}/messages/{message}", tag = "talk", params(MessagePath))]
pub(crate) async fn delete_message(
    State(app): State<App>,
    AsUser(by): AsUser,
    Path(MessagePath { room_id, message_id }): Path<MessagePath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let original = app.original(&room_id, message_id).await?;
    let context = stamp.by(&by);
    let command = TalkCommand::DeleteMessage { by, original, at: stamp.at }.in_room(room_id.clone());
    let committed = app.in_room(&room_id, command, context).await?;
    Ok(Done::of(&committed))
}
