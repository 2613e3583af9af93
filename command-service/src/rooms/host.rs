//! `PUT /rooms/{room}/host`

use axum::extract::State;
use domain::{RoomCommand, UserId};
use eserde::Deserialize;
use service_kit::{auth::AsUser, extract::Path};
use utoipa::ToSchema;

use crate::{answer::Done, app::App, error::Error, paths::RoomPath, request::Command, schemas};

/// A transfer of the host's role.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "user_id": "ben" }))]
pub(crate) struct TransferHost {
    /// The member who becomes the host.
    #[schema(value_type = schemas::UserId)]
    #[eserde(compat)]
    user_id: UserId,
}

/// Makes another member the host
#[utoipa::path(put, path = "/rooms/{room}/host", tag = "rooms", params(RoomPath), request_body = TransferHost)]
pub(crate) async fn transfer_host(
    State(app): State<App>,
    AsUser(by): AsUser,
    Path(RoomPath { room_id }): Path<RoomPath>,
    Command { body, stamp }: Command<TransferHost>,
) -> Result<Done, Error> {
    let command = RoomCommand::TransferHost { by: by.clone(), to: body.user_id, at: stamp.at }.in_room(room_id.clone());
    let committed = app.change_room(&room_id, command, stamp.by(&by)).await?;
    Ok(Done::of(&committed))
}
