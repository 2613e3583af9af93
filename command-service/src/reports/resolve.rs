//! `PUT /reports/{report}/resolution`

use axum::extract::State;
use domain::{ReportAction, ReportCommand, values::ReportNote};
use eserde::Deserialize;
use service_kit::{auth::AsModerator, extract::Path};
use utoipa::ToSchema;

use crate::{answer::Done, app::App, error::Error, moderation, paths::ReportPath, request::Command, schemas};

/// The result of handling a report.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "action": "warned", "note": "For the first time" }))]
pub(crate) struct ResolveReport {
    /// The action that was taken, by other commands.
    #[schema(value_type = schemas::ReportAction)]
    #[eserde(compat)]
    action: ReportAction,
    /// The words of the moderator, for other moderators.
    #[schema(value_type = Option<schemas::ReportNote>)]
    #[serde(default)]
    #[eserde(compat)]
    note: Option<ReportNote>,
}

/// Closes a report that the caller has claimed
///
/// The reporter is not told. The texts of the report are removed 90 days later.
#[utoipa::path(
    put, path = "/reports/{report}/resolution", tag = "reports", params(ReportPath), request_body = ResolveReport
)]
pub(crate) async fn resolve_report(
    State(app): State<App>,
    AsModerator(caller): AsModerator,
    Path(ReportPath { report_id }): Path<ReportPath>,
    Command { body: ResolveReport { action, note }, stamp }: Command<ResolveReport>,
) -> Result<Done, Error> {
    let context = moderation::context_without_reason(&app, &caller, &stamp).await?;
    let command = ReportCommand::ResolveReport { by: caller.user_id, action, note };
    let committed = app.reports.execute(&report_id, command, context).await?;
    Ok(Done::of(&committed))
}
