//! `PUT /filters/{filter}`

use axum::extract::State;
use domain::{FilterAction, FilterCommand, FilterKind, FiltersId, values::FilterPattern};
use eserde::Deserialize;
use service_kit::{
    auth::AsOperator,
    extract::{Path, invalid_field},
};
use utoipa::ToSchema;

use crate::{answer::Done, app::App, error::Error, paths::FilterPath, request::Command, schemas};

/// A word or a link that texts of users must not have.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "kind": "word", "pattern": "free soup", "action": "refuse" }))]
pub(crate) struct SetFilter {
    /// The kind of the pattern.
    #[schema(value_type = schemas::FilterKind)]
    #[eserde(compat)]
    kind: FilterKind,
    /// A word or words that follow each other, with an asterisk at the end for longer words too; or a host.
    #[schema(value_type = schemas::FilterPattern)]
    pattern: String,
    /// The consequence of a match.
    #[schema(value_type = schemas::FilterAction)]
    #[eserde(compat)]
    action: FilterAction,
}

/// Adds a filter, or replaces the one with this id
///
/// It applies within seconds to new messages, edits, titles and nicknames. A match in a nickname is always refused.
/// `hold` keeps a new message back until a moderator publishes it, and refuses other texts. There can be 500 filters.
#[utoipa::path(put, path = "/filters/{filter}", tag = "filters", params(FilterPath), request_body = SetFilter)]
pub(crate) async fn set_filter(
    State(app): State<App>,
    AsOperator(operator): AsOperator,
    Path(FilterPath { filter_id }): Path<FilterPath>,
    Command { body: SetFilter { kind, pattern, action }, stamp }: Command<SetFilter>,
) -> Result<Done, Error> {
    let pattern = FilterPattern::new(kind, &pattern).map_err(|error| invalid_field("/pattern", error.to_string()))?;
    let command = FilterCommand::SetFilter { filter_id, pattern, action };
    let committed = app.text_filter.filters().execute(&FiltersId, command, stamp.by_operator(&operator)).await?;
    Ok(Done::of(&committed))
}
