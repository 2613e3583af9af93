//! `PUT` and `DELETE /reports/{report}/claim`

use axum::extract::State;
use domain::ReportCommand;
use service_kit::{
    auth::{AsModerator, Role},
    extract::Path,
};

use crate::{answer::Done, app::App, error::Error, moderation, paths::ReportPath, request::BareCommand};

/// Claims a report
///
/// Only one of several concurrent attempts succeeds. The others are refused until the claim is released.
#[utoipa::path(put, path = "/reports/{report}/claim", tag = "reports", params(ReportPath))]
pub(crate) async fn claim_report(
    State(app): State<App>,
    AsModerator(caller): AsModerator,
    Path(ReportPath { report_id }): Path<ReportPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let context = moderation::context_without_reason(&app, &caller, &stamp).await?;
    let command = ReportCommand::ClaimReport { by: caller.user_id };
    let committed = app.reports.execute(&report_id, command, context).await?;
    Ok(Done::of(&committed))
}

/// Returns a report to the queue
///
/// Operators also release the claims of others.
#[utoipa::path(delete, path = "/reports/{report}/claim", tag = "reports", params(ReportPath))]
pub(crate) async fn release_report(
    State(app): State<App>,
    AsModerator(caller): AsModerator,
    Path(ReportPath { report_id }): Path<ReportPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let context = moderation::context_without_reason(&app, &caller, &stamp).await?;
    let command = ReportCommand::ReleaseReport { by: caller.user_id, of_any: caller.role == Role::Operator };
    let committed = app.reports.execute(&report_id, command, context).await?;
    Ok(Done::of(&committed))
}
