//! `DELETE /boxes/{box}`

use axum::extract::State;
use domain::{BoxCommand, BoxRefusal, OwnCommand};
use event_store::CommandError;
use service_kit::{auth::AsOperator, extract::Path};

use super::credentials;
use crate::{answer::Done, app::App, error::Error, paths::BoxPath, request::BareCommand};

/// Retires a box for good
///
/// Its credentials are deleted, and its sessions end.
#[utoipa::path(delete, path = "/boxes/{box}", tag = "boxes", params(BoxPath))]
pub(crate) async fn retire_box(
    State(app): State<App>,
    AsOperator(operator): AsOperator,
    Path(BoxPath { box_id }): Path<BoxPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let command = BoxCommand::Box(OwnCommand::RetireBox { at: stamp.at });
    let committed = app.boxes.execute(&box_id, command, stamp.by_operator(&operator)).await;
    // A repeat completes a retirement that a crash interrupted.
    if matches!(committed, Ok(_) | Err(CommandError::Refused(BoxRefusal::BoxRetired))) {
        credentials::revoke_credentials(&app, &box_id).await?;
    }
    Ok(Done::of(&committed?))
}
