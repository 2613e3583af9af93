//! `GET /rooms/{room}`.

use axum::Json;
use service_kit::{
    auth::AsPerson,
    extract::{Path, Query},
};
use sqlx::query_as;

use crate::{
    error::Error,
    page::NoParameters,
    position::MinPosition,
    private_boxes::{not_visible, viewer},
    problems::RoomProblems,
    reader::Reader,
    rooms::RoomPath,
    views::{ClosedReason, Pins, RoomStatus, RoomView, Step},
};

/// Returns one room, for every signed-in user. One on a private box is shown to its users and to members of the room.
#[utoipa::path(
    get, path = "/rooms/{room}", tag = "rooms", operation_id = "show_room",
    params(RoomPath, MinPosition),
    responses((status = 200, description = "The room", body = RoomView), RoomProblems)
)]
pub(crate) async fn show_room(
    AsPerson(caller): AsPerson,
    Path(path): Path<RoomPath>,
    Query(NoParameters {}): Query<NoParameters>,
    mut reader: Reader,
) -> Result<Json<RoomView>, Error> {
    let room = query_as!(
        RoomView,
        r#"
        select
            room_id,
            box_id,
            store_id,
            title,
            title_erased,
            status as "status: RoomStatus",
            closed_reason as "closed_reason: ClosedReason",
            host,
            member_count,
            max_members,
            locked,
            step as "step: Step",
            opened_at,
            closes_at,
            closed_at,
            v,
            slow_mode_seconds,
            case when me.is_inside then pins end as "pinned: Pins",
            null::float8 as distance_m
        from rooms r
        cross join lateral (
            select exists (
                select from members m
                where m.box_id = r.box_id and m.room_id = r.room_id and m.user_id = $3 and m.standing = 'inside'
            ) as is_inside
        ) as me
        where r.box_id = $1 and r.room_id = $2
            and ($3::text is null or me.is_inside or (
                select b.kind <> 'private' or b.users ? $3 from boxes b where b.box_id = r.box_id
            ))
        "#,
        path.room_id.box_id().as_str(),
        path.room_id.to_string(),
        viewer(&caller),
    )
    .fetch_optional(&mut *reader)
    .await?;
    match room {
        Some(room) => Ok(Json(room)),
        None => Err(not_visible(&mut reader, path.room_id.box_id(), Error::RoomNotFound).await?),
    }
}
