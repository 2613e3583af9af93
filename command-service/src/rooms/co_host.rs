//! `PUT` and `DELETE /rooms/{room}/co-hosts/{user}`

use axum::extract::State;
use domain::RoomCommand;
use service_kit::{auth::AsUser, extract::Path};

use crate::{answer::Done, app::App, error::Error, paths::MemberPath, request::BareCommand};

/// Makes a member a co-host
///
/// A co-host can kick and mute members, pin and delete messages, make invitations and extend the room, but not against
/// the host or another co-host. A room has at most five.
#[utoipa::path(put, path = "/rooms/{room}/co-hosts/{user}", tag = "rooms", params(MemberPath))]
pub(crate) async fn appoint_co_host(
    State(app): State<App>,
    AsUser(by): AsUser,
    Path(MemberPath { room_id, user_id }): Path<MemberPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let command = RoomCommand::AppointCoHost { by: by.clone(), user_id, at: stamp.at }.in_room(room_id.clone());
    let committed = app.change_room(&room_id, command, stamp.by(&by)).await?;
    Ok(Done::of(&committed))
}

/// Takes the role of a co-host back
#[utoipa::path(delete, path = "/rooms/{room}/co-hosts/{user}", tag = "rooms", params(MemberPath))]
pub(crate) async fn dismiss_co_host(
    State(app): State<App>,
    AsUser(by): AsUser,
    Path(MemberPath { room_id, user_id }): Path<MemberPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let command = RoomCommand::DismissCoHost { by: by.clone(), user_id, at: stamp.at }.in_room(room_id.clone());
    let committed = app.change_room(&room_id, command, stamp.by(&by)).await?;
    Ok(Done::of(&committed))
}
