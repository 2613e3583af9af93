//! `PUT` and `DELETE /reports/{report}/claim`

use axum::extract::State;
use domain::ReportCommand;
use service_kit::{auth::AsOperator, extract::Path};

use crate::{answer::Done, app::App, error::Error, paths::ReportPath, request::BareCommand};

/// Claims a report
///
/// Only one of several concurrent attempts succeeds. The others are refused until the claim is released.
#[utoipa::path(put, path = "/reports/{report}/claim", tag = "reports", params(ReportPath))]
pub(crate) async fn claim_report(
    State(app): State<App>,
    AsOperator(by): AsOperator,
    Path(ReportPath { report_id }): Path<ReportPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let context = stamp.by_operator(&by);
    let committed = app.reports.execute(&report_id, ReportCommand::ClaimReport { by }, context).await?;
    Ok(Done::of(&committed))
}

/// Returns a report to the queue
///
/// Operators also release the claims of others.
#[utoipa::path(delete, path = "/reports/{report}/claim", tag = "reports", params(ReportPath))]
pub(crate) async fn release_report(
    State(app): State<App>,
    AsOperator(by): AsOperator,
    Path(ReportPath { report_id }): Path<ReportPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let context = stamp.by_operator(&by);
    let committed = app.reports.execute(&report_id, ReportCommand::ReleaseReport { by, of_any: true }, context).await?;
    Ok(Done::of(&committed))
}
