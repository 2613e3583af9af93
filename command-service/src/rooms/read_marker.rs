//! `PUT /rooms/{room}/read-marker`

use axum::extract::State;
use domain::MessageId;
use eserde::Deserialize;
use service_kit::{auth::AsUser, extract::Path};
use utoipa::ToSchema;

use super::reader::require_reader;
use crate::{answer::Done, app::App, error::Error, paths::RoomPath, problems::Code, request::Command, schemas};

/// A new position of the caller's read marker.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "message_id": "42" }))]
pub(crate) struct MoveReadMarker {
    /// The last message read.
    #[schema(value_type = schemas::MessageId)]
    #[eserde(compat)]
    message_id: MessageId,
}

/// Marks everything up to a message as read
///
/// The marker only moves forward. It is an aggregate of its own, and remembers its last eight keys. Of a closed room,
/// members at its closing can move it. When the box has opened another room since, other users get `message-not-found`.
#[utoipa::path(
    put, path = "/rooms/{room}/read-marker", tag = "rooms", params(RoomPath), request_body = MoveReadMarker
)]
pub(crate) async fn move_read_marker(
    State(app): State<App>,
    AsUser(user_id): AsUser,
    Path(RoomPath { room_id }): Path<RoomPath>,
    Command { body, stamp }: Command<MoveReadMarker>,
) -> Result<Done, Error> {
    let is_earlier = require_reader(&app, &room_id, &user_id).await?;
    let original = app.original(&room_id, body.message_id).await?;
    original.filter(|message| message.room_id == room_id).ok_or(Code::MessageNotFound)?;
    if is_earlier {
        let members = app.boxes.members_at_closing(&room_id, body.message_id.sequence()).await?;
        // Other users do not learn that the room has the message.
        members.contains(&user_id).then_some(()).ok_or(Code::MessageNotFound)?;
    }
    let marked = app.marks.mark(&room_id, &user_id, body.message_id, &stamp.by(&user_id)).await?;
    Ok(Done::at(marked.position, marked.replayed))
}
