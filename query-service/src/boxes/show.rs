//! `GET /boxes/{box}`.

use axum::Json;
use service_kit::{
    auth::AsPerson,
    extract::{Path, Query},
};
use sqlx::query_as;

use crate::{
    boxes::BoxPath,
    error::Error,
    page::NoParameters,
    position::MinPosition,
    problems::BoxProblems,
    reader::Reader,
    views::{BoxKind, BoxStatus, BoxView},
};

/// Returns one box.
#[utoipa::path(
    get, path = "/boxes/{box}", tag = "boxes", operation_id = "show_box",
    params(BoxPath, MinPosition),
    responses((status = 200, description = "The box", body = BoxView), BoxProblems)
)]
pub(crate) async fn show_box(
    _: AsPerson,
    Path(path): Path<BoxPath>,
    Query(NoParameters {}): Query<NoParameters>,
    mut reader: Reader,
) -> Result<Json<BoxView>, Error> {
    query_as!(
        BoxView,
        r#"
        select
            box_id,
            case
                when service = 'retired' then 'retired'
                when room_id is not null then 'in_use'
                when service = 'out_of_service' then 'out_of_service'
                else 'free'
            end as "status!: BoxStatus",
            room_id,
            out_of_service_reason,
            kind as "kind: BoxKind",
            zip_code,
            address,
            detailed_address,
            latitude,
            longitude,
            installed_at,
            null::float8 as distance_m
        from boxes
        where box_id = $1
        "#,
        path.box_id.as_str(),
    )
    .fetch_optional(&mut *reader)
    .await?
    .map(Json)
    .ok_or(Error::BoxNotFound)
}
