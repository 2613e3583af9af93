//! `DELETE /boxes/{box}`

use axum::extract::State;
use domain::{BoxCommand, BoxId, BoxRefusal, OwnCommand};
use event_store::{CommandContext, CommandError};
use service_kit::{auth::AsOperator, extract::Path};

use super::credentials;
use crate::{answer::Done, app::App, error::Error, paths::BoxPath, request::BareCommand};

/// Retires a box for good, if no room is open
///
/// Its credentials are deleted, and its sessions end.
#[utoipa::path(delete, path = "/boxes/{box}", tag = "boxes", params(BoxPath))]
pub(crate) async fn retire_box(
    State(app): State<App>,
    AsOperator(operator): AsOperator,
    Path(BoxPath { box_id }): Path<BoxPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let command = BoxCommand::Box(OwnCommand::RetireBox { closes_room: false, at: stamp.at });
    retire(&app, &box_id, command, stamp.by_operator(&operator)).await
}

/// Retires a box, and deletes its credentials.
pub(super) async fn retire(
    app: &App,
    box_id: &BoxId,
    command: BoxCommand,
    context: CommandContext,
) -> Result<Done, Error> {
    let committed = app.boxes.execute(box_id, command, context).await;
    // A repeat completes a retirement that a crash interrupted.
    if matches!(committed, Ok(_) | Err(CommandError::Refused(BoxRefusal::BoxRetired))) {
        credentials::revoke_credentials(app, box_id).await?;
    }
    Ok(Done::of(&committed?))
}
