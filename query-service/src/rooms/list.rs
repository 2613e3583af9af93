//! `GET /rooms`: the newest first.

use axum::Json;
use domain::{RoomId, StoreId, values::ZipCode};
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
    views::{ClosedReason, RoomStatus, RoomView, Step},
};

const LIST: &str = "rooms";

/// The query of `GET /rooms`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListRooms {
    /// Returns only open or only closed rooms.
    status: Option<RoomStatus>,
    /// Returns only rooms on boxes with this postal code.
    #[param(schema_with = schemas::zip_code)]
    zip_code: Option<ZipCode>,
    /// Returns only rooms that order from this store.
    #[param(schema_with = schemas::store_id)]
    store_id: Option<StoreId>,
    /// The maximum number of items.
    #[serde(default)]
    #[param(schema_with = schemas::limit)]
    limit: Limit,
    /// The `next` of the previous page.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// Lists rooms, for every signed-in user.
#[utoipa::path(
    get, path = "/rooms", tag = "rooms", operation_id = "list_rooms",
    params(ListRooms, MinPosition),
    responses((status = 200, description = "A page of rooms", body = Page<RoomView>), ListProblems)
)]
pub(crate) async fn list_rooms(
    _: AsPerson,
    Query(query): Query<ListRooms>,
    mut reader: Reader,
) -> Result<Json<Page<RoomView>>, Error> {
    let after: Option<(Moment, RoomId)> = cursor::decode(LIST, query.cursor.as_deref())?;
    let rooms = query_as!(
        RoomView,
        r#"
        select
            r.room_id,
            r.box_id,
            r.store_id,
            r.title,
            r.title_erased,
            r.status as "status: RoomStatus",
            r.closed_reason as "closed_reason: ClosedReason",
            r.host,
            r.member_count,
            r.max_members,
            r.locked,
            r.step as "step: Step",
            r.opened_at,
            r.closes_at,
            r.closed_at,
            r.v
        from rooms r
        where ($1::text is null or r.status = $1)
            and ($2::text is null or exists (select from boxes b where b.box_id = r.box_id and b.zip_code = $2))
            and ($3::text is null or r.store_id = $3)
            and ($4::timestamptz is null or r.opened_at <= $4 and (r.opened_at < $4 or r.room_id > $5))
        order by r.opened_at desc, r.room_id
        limit $6
        "#,
        query.status as Option<RoomStatus>,
        query.zip_code.as_ref().map(ZipCode::as_str),
        query.store_id.as_ref().map(StoreId::as_str),
        after.as_ref().map(|(opened_at, _)| opened_at.0),
        after.as_ref().map(|(_, room_id)| room_id.to_string()),
        query.limit.rows(),
    )
    .fetch_all(&mut *reader)
    .await?;
    Ok(Json(Page::cut(rooms, query.limit, LIST, |last| (Moment(last.opened_at), last.room_id.clone()))))
}
