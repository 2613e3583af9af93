//! `DELETE /filters/{filter}`

use axum::extract::State;
use domain::{FilterCommand, FiltersId};
use service_kit::{auth::AsOperator, extract::Path};

use crate::{answer::Done, app::App, error::Error, paths::FilterPath, request::BareCommand};

/// Removes a filter
#[utoipa::path(delete, path = "/filters/{filter}", tag = "filters", params(FilterPath))]
pub(crate) async fn remove_filter(
    State(app): State<App>,
    AsOperator(operator): AsOperator,
    Path(FilterPath { filter_id }): Path<FilterPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let command = FilterCommand::RemoveFilter { filter_id };
    let committed = app.text_filter.filters().execute(&FiltersId, command, stamp.by_operator(&operator)).await?;
    Ok(Done::of(&committed))
}
