//! `GET /stores`: the newest first.

use axum::Json;
use domain::{StoreId, values::ZipCode};
use serde::Deserialize;
use service_kit::{auth::AsPerson, extract::Query};
use sqlx::query_as;
use utoipa::IntoParams;

use crate::{
    cursor::{self, Moment},
    error::Error,
    page::{Limit, Page},
    position::MinPosition,
    problems::ListProblems,
    reader::Reader,
    schemas,
    views::StoreView,
};

const LIST: &str = "stores";

/// The query of `GET /stores`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListStores {
    /// Returns only stores with this postal code.
    #[param(schema_with = schemas::zip_code)]
    zip_code: Option<ZipCode>,
    /// The maximum number of items.
    #[serde(default)]
    #[param(schema_with = schemas::limit)]
    limit: Limit,
    /// The `next` of the previous page.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// Lists stores.
#[utoipa::path(
    get, path = "/stores", tag = "stores", operation_id = "list_stores",
    params(ListStores, MinPosition),
    responses((status = 200, description = "A page of stores", body = Page<StoreView>), ListProblems)
)]
pub(crate) async fn list_stores(
    _: AsPerson,
    Query(query): Query<ListStores>,
    mut reader: Reader,
) -> Result<Json<Page<StoreView>>, Error> {
    let after: Option<(Moment, StoreId)> = cursor::decode(LIST, query.cursor.as_deref())?;
    let stores = query_as!(
        StoreView,
        "
        select store_id, name, zip_code, category, open, retired, registered_at
        from stores
        where ($1::text is null or zip_code = $1)
            and ($2::timestamptz is null or registered_at <= $2 and (registered_at < $2 or store_id > $3))
        order by registered_at desc, store_id
        limit $4
        ",
        query.zip_code.as_ref().map(ZipCode::as_str),
        after.as_ref().map(|(registered_at, _)| registered_at.0),
        after.as_ref().map(|(_, store_id)| store_id.as_str()),
        query.limit.rows(),
    )
    .fetch_all(&mut *reader)
    .await?;
    Ok(Json(Page::cut(stores, query.limit, LIST, |last| (Moment(last.registered_at), last.store_id.clone()))))
}
