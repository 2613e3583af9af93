//! `DELETE /rooms/{room}/members/{user}`

use axum::extract::State;
use domain::RoomCommand;
use service_kit::{auth::AsUser, extract::Path};

use crate::{answer::Done, app::App, error::Error, paths::MemberPath, request::BareCommand};

/// Kicks a member from the room for good, as the host or as a co-host
#[utoipa::path(delete, path = "/rooms/{room}/members/{user}", tag = "rooms", params(MemberPath))]
pub(crate) async fn kick_member(
    State(app): State<App>,
    AsUser(by): AsUser,
    Path(MemberPath { room_id, user_id }): Path<MemberPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let command = RoomCommand::KickMember { by: by.clone(), user_id, at: stamp.at }.in_room(room_id.clone());
    let committed = app.in_room(&room_id, command, stamp.by(&by)).await?;
    Ok(Done::of(&committed))
}
