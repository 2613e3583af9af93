//! `PUT /rooms/{room}/closure`

use axum::extract::State;
use domain::RoomCommand;
use service_kit::{auth::AsModerator, extract::Path};

use super::Reasoned;
use crate::{answer::Done, app::App, error::Error, paths::RoomPath, request::Command};

/// Closes any room
///
/// The members see that a moderator closed it, but neither who nor why.
#[utoipa::path(
    put, path = "/rooms/{room}/closure", tag = "moderation", params(RoomPath), request_body = Reasoned
)]
pub(crate) async fn close_any_room(
    State(app): State<App>,
    AsModerator(caller): AsModerator,
    Path(RoomPath { room_id }): Path<RoomPath>,
    Command { body, stamp }: Command<Reasoned>,
) -> Result<Done, Error> {
    let context = super::context(&app, &caller, body.reason, &stamp).await?;
    let command = RoomCommand::CloseByModerator { at: stamp.at }.in_room(room_id.clone());
    let committed = super::execute_in_room(&app, &room_id, command, context).await?;
    Ok(Done::of(&committed))
}
