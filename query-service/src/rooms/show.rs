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
    problems::RoomProblems,
    reader::Reader,
    rooms::RoomPath,
    views::{ClosedReason, RoomStatus, RoomView, Step},
};

/// Returns one room, for every signed-in user.
#[utoipa::path(
    get, path = "/rooms/{room}", tag = "rooms", operation_id = "show_room",
    params(RoomPath, MinPosition),
    responses((status = 200, description = "The room", body = RoomView), RoomProblems)
)]
pub(crate) async fn show_room(
    _: AsPerson,
    Path(path): Path<RoomPath>,
    Query(NoParameters {}): Query<NoParameters>,
    mut reader: Reader,
) -> Result<Json<RoomView>, Error> {
    query_as!(
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
            null::float8 as distance_m
        from rooms
        where box_id = $1 and room_id = $2
        "#,
        path.room_id.box_id().as_str(),
        path.room_id.to_string(),
    )
    .fetch_optional(&mut *reader)
    .await?
    .map(Json)
    .ok_or(Error::RoomNotFound)
}
