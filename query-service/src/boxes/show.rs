//! `GET /boxes/{box}`.

use service_kit::{
    auth::{AsPerson, Role},
    extract::{Path, Query},
};
use sqlx::{query_as, types::Json};

use crate::{
    boxes::BoxPath,
    error::Error,
    page::NoParameters,
    position::MinPosition,
    private_boxes::{not_visible, viewer},
    problems::BoxProblems,
    reader::Reader,
    views::{BoxKind, BoxStatus, BoxView},
};

/// Returns one box. A private one is shown to its users and to members of its open room.
#[utoipa::path(
    get, path = "/boxes/{box}", tag = "boxes", operation_id = "show_box",
    params(BoxPath, MinPosition),
    responses((status = 200, description = "The box", body = BoxView), BoxProblems)
)]
pub(crate) async fn show_box(
    AsPerson(caller): AsPerson,
    Path(path): Path<BoxPath>,
    Query(NoParameters {}): Query<NoParameters>,
    mut reader: Reader,
) -> Result<axum::Json<BoxView>, Error> {
    let found = query_as!(
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
            case when $3 then users end as "users: Json<Vec<String>>",
            zip_code,
            address,
            detailed_address,
            latitude,
            longitude,
            installed_at,
            null::float8 as distance_m
        from boxes
        where box_id = $1
            and ($2::text is null or kind <> 'private' or users ? $2 or exists (
                select from members m
                where m.box_id = boxes.box_id and m.room_id = boxes.room_id and m.user_id = $2
                    and m.standing = 'inside'
            ))
        "#,
        path.box_id.as_str(),
        viewer(&caller),
        caller.role == Role::Operator,
    )
    .fetch_optional(&mut *reader)
    .await?;
    match found {
        Some(found) => Ok(axum::Json(found)),
        None => Err(not_visible(&mut reader, &path.box_id, Error::BoxNotFound).await?),
    }
}
