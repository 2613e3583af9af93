//! `PATCH /rooms/{room}/messages/{message}`

use axum::extract::State;
use domain::{TalkCommand, values::MessageBody};
use eserde::Deserialize;
use service_kit::{auth::AsUser, extract::Path};
use utoipa::ToSchema;

use crate::{
    answer::Done, app::App, error::Error, paths::MessagePath, request::Command, schemas, text_filter::Filtered,
};

/// The new text of a message.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "body": "Who else wants a Funghi?" }))]
pub(crate) struct EditMessage {
    /// The text from now on.
    #[schema(value_type = schemas::MessageBody)]
    #[eserde(compat)]
    body: MessageBody,
}

/// Edits a message of the caller
#[utoipa::path(
    patch, path = "/rooms/{room}/messages/{message}", tag = "talk", params(MessagePath), request_body = EditMessage
)]
pub(crate) async fn edit_message(
    State(app): State<App>,
    AsUser(by): AsUser,
    Path(MessagePath { room_id, message_id }): Path<MessagePath>,
    Command { body: EditMessage { body }, stamp }: Command<EditMessage>,
) -> Result<Done, Error> {
    let original = app.original(&room_id, message_id).await?;
    let context = stamp.by(&by);
    let Filtered { text: body, is_refused, .. } = app.text_filter.message(body).await?;
    let admission = app.quotas.message(&by, body.as_str().len()).unless_refused(is_refused);
    let command = TalkCommand::EditMessage { by: by.clone(), original, body, at: stamp.at }.in_room(room_id.clone());
    let committed = app.admitted_in_room(&room_id, command, context, admission).await?;
    Ok(Done::of(&committed))
}
