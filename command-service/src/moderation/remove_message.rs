//! `PUT /rooms/{room}/messages/{message}/removal`

use axum::extract::State;
use domain::TalkCommand;
use service_kit::{auth::AsModerator, extract::Path};

use super::Reasoned;
use crate::{answer::Done, app::App, error::Error, paths::MessagePath, request::Command, talk::delete};

/// Deletes a message of any room, open or closed
///
/// The members see that a moderator deleted it, but neither who nor why.
#[utoipa::path(
    put, path = "/rooms/{room}/messages/{message}/removal", tag = "moderation", params(MessagePath),
    request_body = Reasoned
)]
pub(crate) async fn remove_message(
    State(app): State<App>,
    AsModerator(caller): AsModerator,
    Path(MessagePath { room_id, message_id }): Path<MessagePath>,
    Command { body, stamp }: Command<Reasoned>,
) -> Result<Done, Error> {
    let context = super::context(&app, &caller, body.reason, &stamp).await?;
    let original = app.original(&room_id, message_id).await?;
    let command = TalkCommand::RemoveMessage { original }.in_room(room_id.clone());
    let committed = super::execute_in_room(&app, &room_id, command, context.clone()).await?;
    delete::unpin(&app, &room_id, message_id, &context).await;
    Ok(Done::of(&committed))
}
