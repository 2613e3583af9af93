//! `GET /filters`: the words and links that texts of users must not have.

use axum::Json;
use domain::FilterId;
use serde::Deserialize;
use service_kit::{auth::AsModerator, extract::Query};
use sqlx::query_as;
use utoipa::IntoParams;

use crate::{
    cursor,
    error::Error,
    page::{Limit, Page},
    position::MinPosition,
    problems::ListProblems,
    reader::Reader,
    schemas,
    views::FilterView,
};

const LIST: &str = "filters";

/// The query of `GET /filters`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListFilters {
    /// The maximum number of items.
    #[serde(default)]
    #[param(schema_with = schemas::limit)]
    limit: Limit,
    /// The `next` of the previous page.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// Lists the filters in the order of their ids, for moderators and operators.
#[utoipa::path(
    get, path = "/filters", tag = "moderation", operation_id = "list_filters",
    params(ListFilters, MinPosition),
    responses((status = 200, description = "A page of filters", body = Page<FilterView>), ListProblems)
)]
pub(crate) async fn list_filters(
    _: AsModerator,
    Query(query): Query<ListFilters>,
    mut reader: Reader,
) -> Result<Json<Page<FilterView>>, Error> {
    let after: Option<FilterId> = cursor::decode(LIST, query.cursor.as_deref())?;
    let filters = query_as!(
        FilterView,
        "
        select filter_id, kind, pattern, action, changed_at
        from filters
        where $1::text is null or filter_id > $1
        order by filter_id
        limit $2
        ",
        after.as_ref().map(FilterId::as_str),
        query.limit.rows(),
    )
    .fetch_all(&mut *reader)
    .await?;
    Ok(Json(Page::cut(filters, query.limit, LIST, |last| last.filter_id.clone())))
}
