//! `GET /reports` and `GET /reports/{report}`: reports of users, for moderators.

use axum::Json;
use chrono::{DateTime, Utc};
use domain::ReportId;
use serde::Deserialize;
use service_kit::{
    auth::AsModerator,
    extract::{Path, Query},
};
use sqlx::query_file_as;
use utoipa::IntoParams;

use crate::{
    cursor::{self, Moment},
    error::Error,
    page::{Limit, NoParameters, Page},
    position::MinPosition,
    problems::{ListProblems, ReportProblems},
    reader::Reader,
    schemas,
    views::{ReportState, ReportView},
};

/// The query of `GET /reports`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListReports {
    /// Returns only reports in this state.
    state: Option<ReportState>,
    /// The maximum number of items.
    #[serde(default)]
    #[param(schema_with = schemas::limit)]
    limit: Limit,
    /// The `next` of the previous page.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// The path of one report.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ReportPath {
    /// The id of the report.
    #[serde(rename = "report")]
    #[param(rename = "report", value_type = schemas::ReportId, inline)]
    report_id: ReportId,
}

/// Lists reports, the oldest first.
#[utoipa::path(
    get, path = "/reports", tag = "moderation", operation_id = "list_reports",
    params(ListReports, MinPosition),
    responses((status = 200, description = "A page of reports", body = Page<ReportView>), ListProblems)
)]
pub(crate) async fn list_reports(
    _: AsModerator,
    Query(query): Query<ListReports>,
    mut reader: Reader,
) -> Result<Json<Page<ReportView>>, Error> {
    let list = query.state.map_or("reports", ReportState::list);
    let after: Option<(Moment, ReportId)> = cursor::decode(list, query.cursor.as_deref())?;
    let reports = query_file_as!(
        ReportView,
        "src/moderation/reports.sql",
        query.state as Option<ReportState>,
        after.as_ref().map(|(filed_at, _)| filed_at.0),
        after.as_ref().map(|(_, report_id)| report_id.as_str()),
        query.limit.rows(),
        None::<&str>,
    )
    .fetch_all(&mut *reader)
    .await?;
    Ok(Json(Page::cut(reports, query.limit, list, |last| (Moment(last.filed_at), last.report_id.clone()))))
}

/// Returns one report.
#[utoipa::path(
    get, path = "/reports/{report}", tag = "moderation", operation_id = "show_report",
    params(ReportPath, MinPosition),
    responses((status = 200, description = "The report", body = ReportView), ReportProblems)
)]
pub(crate) async fn show_report(
    _: AsModerator,
    Path(ReportPath { report_id }): Path<ReportPath>,
    Query(NoParameters {}): Query<NoParameters>,
    mut reader: Reader,
) -> Result<Json<ReportView>, Error> {
    let report = query_file_as!(
        ReportView,
        "src/moderation/reports.sql",
        None::<ReportState> as Option<ReportState>,
        None::<DateTime<Utc>>,
        None::<&str>,
        1_i64,
        report_id.as_str(),
    );
    report.fetch_optional(&mut *reader).await?.map(Json).ok_or(Error::ReportNotFound)
}
