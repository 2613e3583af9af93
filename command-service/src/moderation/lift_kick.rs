//! `PUT /rooms/{room}/lifted-kicks/{user}`

use axum::extract::State;
use domain::RoomCommand;
use service_kit::{auth::AsModerator, extract::Path};

use super::Reasoned;
use crate::{answer::Done, app::App, error::Error, paths::MemberPath, request::Command};

/// Lets a kicked user join the room again
///
/// Has no effect if the user was not kicked.
#[utoipa::path(
    put, path = "/rooms/{room}/lifted-kicks/{user}", tag = "moderation", params(MemberPath), request_body = Reasoned
)]
pub(crate) async fn lift_kick(
    State(app): State<App>,
    AsModerator(caller): AsModerator,
    Path(MemberPath { room_id, user_id }): Path<MemberPath>,
    Command { body, stamp }: Command<Reasoned>,
) -> Result<Done, Error> {
    let context = super::context(&app, &caller, body.reason, &stamp).await?;
    let command = RoomCommand::LiftKick { user_id, at: stamp.at }.in_room(room_id.clone());
    let committed = super::execute_in_room(&app, &room_id, command, context).await?;
    Ok(Done::of(&committed))
}
