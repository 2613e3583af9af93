//! `GET /stores/{store}`.

use axum::Json;
use service_kit::{
    auth::AsPerson,
    extract::{Path, Query},
};
use sqlx::query_as;

use crate::{
    error::Error, page::NoParameters, position::MinPosition, problems::StoreProblems, reader::Reader,
    stores::StorePath, views::StoreView,
};

/// Returns one store.
#[utoipa::path(
    get, path = "/stores/{store}", tag = "stores", operation_id = "show_store",
    params(StorePath, MinPosition),
    responses((status = 200, description = "The store", body = StoreView), StoreProblems)
)]
pub(crate) async fn show_store(
    _: AsPerson,
    Path(path): Path<StorePath>,
    Query(NoParameters {}): Query<NoParameters>,
    mut reader: Reader,
) -> Result<Json<StoreView>, Error> {
    query_as!(
        StoreView,
        "
        select store_id, name, zip_code, category, open, retired, registered_at
        from stores
        where store_id = $1
        ",
        path.store_id.as_str(),
    )
    .fetch_optional(&mut *reader)
    .await?
    .map(Json)
    .ok_or(Error::StoreNotFound)
}
