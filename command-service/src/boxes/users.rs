//! `PUT` and `DELETE /boxes/{box}/users/{user}`

use axum::extract::State;
use domain::{BoxCommand, OwnCommand};
use service_kit::{auth::AsOperator, extract::Path};

use crate::{answer::Done, app::App, error::Error, paths::BoxUserPath, problems::Code, request::BareCommand};

/// Allows a user to use a box while it is private
///
/// A box has at most 500 such users. They need not be registered yet.
#[utoipa::path(put, path = "/boxes/{box}/users/{user}", tag = "boxes", params(BoxUserPath))]
pub(crate) async fn allow_user(
    State(app): State<App>,
    AsOperator(operator): AsOperator,
    Path(BoxUserPath { box_id, user_id }): Path<BoxUserPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    // The erasure of a user ends when no box knows the user.
    if app.users.load_latest(&user_id).await?.0.is_erased() {
        return Err(Code::UserNotFound.into());
    }
    let command = BoxCommand::Box(OwnCommand::AllowUser { user_id });
    let committed = app.boxes.execute(&box_id, command, stamp.by_operator(&operator)).await?;
    Ok(Done::of(&committed))
}

/// Withdraws the permission to use a box while it is private
///
/// A member of the open room stays in it until the room closes or the user leaves.
#[utoipa::path(delete, path = "/boxes/{box}/users/{user}", tag = "boxes", params(BoxUserPath))]
pub(crate) async fn disallow_user(
    State(app): State<App>,
    AsOperator(operator): AsOperator,
    Path(BoxUserPath { box_id, user_id }): Path<BoxUserPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let command = BoxCommand::Box(OwnCommand::DisallowUser { user_id });
    let committed = app.boxes.execute(&box_id, command, stamp.by_operator(&operator)).await?;
    Ok(Done::of(&committed))
}
