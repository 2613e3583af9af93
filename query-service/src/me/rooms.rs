//! `GET /me/rooms`: the caller's rooms with their unread counts.

use axum::Json;
use domain::RoomId;
use serde::Deserialize;
use service_kit::{auth::AsUser, extract::Query};
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
    views::{ClosedReason, MyRoomView, RoomStatus, Step},
};

const LIST: &str = "my rooms";

/// The query of `GET /me/rooms`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListMyRooms {
    /// The maximum number of items.
    #[serde(default)]
    #[param(schema_with = schemas::limit)]
    limit: Limit,
    /// The `next` of the previous page.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// Lists the rooms that the caller is a member of, or was when they closed, the newest first.
#[utoipa::path(
    get, path = "/me/rooms", tag = "me", operation_id = "list_my_rooms",
    params(ListMyRooms, MinPosition),
    responses((status = 200, description = "A page of rooms", body = Page<MyRoomView>), ListProblems)
)]
pub(crate) async fn list_my_rooms(
    AsUser(user_id): AsUser,
    Query(page): Query<ListMyRooms>,
    mut reader: Reader,
) -> Result<Json<Page<MyRoomView>>, Error> {
    let after: Option<(Moment, RoomId)> = cursor::decode(LIST, page.cursor.as_deref())?;
    let rooms = query_as!(
        MyRoomView,
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
            r.v,
            -- what one wrote oneself is read, and so is everything before it
            r.last_ordinal - greatest(me.last_post_ordinal, (
                select m.ordinal from messages m
                where m.box_id = k.box_id and m.room_id = k.room_id and m.message_id <= k.message_id
                order by m.message_id desc
                limit 1
            )) as "unread!"
        from user_rooms mine
        join members me on me.box_id = mine.box_id and me.room_id = mine.room_id and me.user_id = mine.user_id
        join rooms r on r.box_id = mine.box_id and r.room_id = mine.room_id
        left join read_markers k on k.box_id = mine.box_id and k.room_id = mine.room_id and k.user_id = mine.user_id
        where mine.user_id = $1
            and me.standing = 'inside'
            and ($2::timestamptz is null or mine.opened_at <= $2 and (mine.opened_at < $2 or mine.room_id > $3))
        order by mine.opened_at desc, mine.room_id
        limit $4
        "#,
        user_id.as_str(),
        after.as_ref().map(|(opened_at, _)| opened_at.0),
        after.as_ref().map(|(_, room_id)| room_id.to_string()),
        page.limit.rows(),
    )
    .fetch_all(&mut *reader)
    .await?;
    Ok(Json(Page::cut(rooms, page.limit, LIST, |last| (Moment(last.opened_at), last.room_id.clone()))))
}
