//! `GET /me/rooms`: the caller's rooms with their last messages and unread counts.

use axum::Json;
use domain::RoomId;
use serde::Deserialize;
use service_kit::{auth::AsUser, extract::Query};
use sqlx::query_as;
use text::value;
use utoipa::IntoParams;

use crate::{
    cursor::{self, Moment},
    error::Error,
    page::{Limit, Page},
    position::MinPosition,
    problems::ListProblems,
    reader::Reader,
    schemas,
    views::{ClosedReason, LastMessage, MyRoomView, RoomStatus, Step},
};

/// The maximum number of code points of a preview. One more is read, which shows whether the last character ends there.
const MAX_PREVIEW: usize = 100;

const LIST: &str = "my rooms by activity";

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

/// Lists the rooms that the caller is a member of, or was when they closed, the last active first.
///
/// A room is active when a message is posted, when a member comes or goes, and when it closes. A room that becomes
/// active between two pages moves to the front.
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
    let mut rooms = query_as!(
        MyRoomView,
        r#"
        with listed as (
            (
                select mine.box_id, mine.room_id, o.last_activity_at as active_at
                from user_rooms mine
                join rooms o on o.box_id = mine.box_id and o.room_id = mine.room_id
                where mine.user_id = $1 and mine.inside and mine.closed_at is null
                    and o.last_activity_at <= coalesce($2::timestamptz, 'infinity')
                    and ($2 is null or o.last_activity_at < $2 or mine.room_id > $3)
                order by o.last_activity_at desc, mine.room_id
                limit $4
            )
            union all
            (
                -- nothing happens in a closed room, so that the index has the order
                select mine.box_id, mine.room_id, mine.closed_at
                from user_rooms mine
                where mine.user_id = $1 and mine.inside and mine.closed_at is not null
                    and mine.closed_at <= coalesce($2::timestamptz, 'infinity')
                    and ($2 is null or mine.closed_at < $2 or mine.room_id > $3)
                order by mine.closed_at desc, mine.room_id
                limit $4
            )
            order by active_at desc, room_id
            limit $4
        )
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
            c.unread as "unread!",
            c.read_up_to::text as read_up_to,
            exists (select from muted_rooms t where t.user_id = $1 and t.room_id = r.room_id) as "muted!",
            (
                select jsonb_build_object(
                    'message_id', m.message_id::text,
                    'author', m.author,
                    'preview', left(m.body, $5::int + 1),
                    'erased', m.erased,
                    'posted_at', m.posted_at,
                    'blocked', m.author in (select b.blocked from blocks b where b.user_id = $1)
                )
                from messages m
                where m.box_id = r.box_id and m.room_id = r.room_id
                order by m.message_id desc
                limit 1
            ) as "last_message: LastMessage",
            mine.active_at as "active_at!"
        from listed mine
        join rooms r on r.box_id = mine.box_id and r.room_id = mine.room_id
        join unread_counts c on c.box_id = mine.box_id and c.room_id = mine.room_id and c.user_id = $1
        order by mine.active_at desc, mine.room_id
        "#,
        user_id.as_str(),
        after.as_ref().map(|(active_at, _)| active_at.0),
        after.as_ref().map(|(_, room_id)| room_id.to_string()),
        page.limit.rows(),
        i32::try_from(MAX_PREVIEW).unwrap_or(i32::MAX),
    )
    .fetch_all(&mut *reader)
    .await?;
    for preview in rooms.iter_mut().filter_map(|room| room.last_message.as_mut()?.preview.as_mut()) {
        preview.truncate(value::beginning(preview, MAX_PREVIEW).len());
    }
    Ok(Json(Page::cut(rooms, page.limit, LIST, |last| (Moment(last.active_at), last.room_id.clone()))))
}
