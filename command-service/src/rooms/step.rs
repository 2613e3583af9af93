//! `PUT /rooms/{room}/step`

use axum::extract::State;
use domain::{RoomCommand, values::Step};
use eserde::Deserialize;
use service_kit::{auth::AsUser, extract::Path};
use utoipa::ToSchema;

use crate::{answer::Done, app::App, error::Error, paths::RoomPath, request::Command, schemas};

/// A new step of the order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "step": "ordering" }))]
pub(crate) struct AdvanceStep {
    /// The step, not before the current one.
    #[schema(value_type = schemas::Step)]
    #[eserde(compat)]
    step: Step,
}

/// Advances the step of the order
#[utoipa::path(put, path = "/rooms/{room}/step", tag = "rooms", params(RoomPath), request_body = AdvanceStep)]
pub(crate) async fn advance_step(
    State(app): State<App>,
    AsUser(by): AsUser,
    Path(RoomPath { room_id }): Path<RoomPath>,
    Command { body, stamp }: Command<AdvanceStep>,
) -> Result<Done, Error> {
    let command = RoomCommand::AdvanceStep { by: by.clone(), step: body.step, at: stamp.at }.in_room(room_id.clone());
    let committed = app.in_room(&room_id, command, stamp.by(&by)).await?;
    Ok(Done::of(&committed))
}
