//! `PUT /boxes/{box}/retirement`

use axum::extract::State;
use domain::{BoxCommand, OwnCommand};
use service_kit::{auth::AsOperator, extract::Path};

use super::retire;
use crate::{answer::Done, app::App, error::Error, moderation::Reasoned, paths::BoxPath, request::Command};

/// Retires a box for good, even if it is in use
///
/// Its open room closes. Its credentials are deleted, and its sessions end.
#[utoipa::path(put, path = "/boxes/{box}/retirement", tag = "boxes", params(BoxPath), request_body = Reasoned)]
pub(crate) async fn retire_used_box(
    State(app): State<App>,
    AsOperator(operator): AsOperator,
    Path(BoxPath { box_id }): Path<BoxPath>,
    Command { body, stamp }: Command<Reasoned>,
) -> Result<Done, Error> {
    let command = BoxCommand::Box(OwnCommand::RetireBox { closes_room: true, at: stamp.at });
    retire::retire(&app, &box_id, command, stamp.of_operator(&operator, body.reason)).await
}
