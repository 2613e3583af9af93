//! `GET /rooms/{room}/members`: the members, in the order in which they joined.

use axum::{Json, extract::State};
use serde::Deserialize;
use service_kit::{
    auth::AsUser,
    extract::{Path, Query},
};
use sqlx::query_as;
use utoipa::IntoParams;

use crate::{
    app::App,
    cursor,
    error::Error,
    page::{Limit, Page},
    position::MinPosition,
    problems::MemberListProblems,
    reader::Reader,
    rooms::{RoomPath, access::require_inside},
    schemas,
    views::MemberView,
};

/// The query of `GET /rooms/{room}/members`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListMembers {
    /// The maximum number of items.
    #[serde(default)]
    #[param(schema_with = schemas::limit)]
    limit: Limit,
    /// The `next` of the previous page.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// Lists the members in the order in which they joined, for members only. Of a closed room: the members at its end.
#[utoipa::path(
    get, path = "/rooms/{room}/members", tag = "rooms", operation_id = "list_members",
    params(RoomPath, ListMembers, MinPosition),
    responses((status = 200, description = "A page of members", body = Page<MemberView>), MemberListProblems)
)]
pub(crate) async fn list_members(
    State(app): State<App>,
    AsUser(user_id): AsUser,
    Path(path): Path<RoomPath>,
    Query(query): Query<ListMembers>,
    mut reader: Reader,
) -> Result<Json<Page<MemberView>>, Error> {
    let list = format!("members of {}", path.room_id);
    let after: Option<i64> = cursor::decode(&list, query.cursor.as_deref())?;
    let members = query_as!(
        MemberView,
        r#"
        select
            m.user_id,
            u.nickname as "nickname?",
            m.user_id = r.host as "host!",
            m.co_host,
            case when r.status = 'open' and m.muted_until > now() then m.muted_until end as muted_until,
            m.joined_at,
            case when $6 and r.status = 'open' and u.share_read_markers then k.message_id::text end as read_up_to,
            m.seat
        from members me
        join members m on m.box_id = me.box_id and m.room_id = me.room_id and m.standing = 'inside'
        join rooms r on r.box_id = m.box_id and r.room_id = m.room_id
        left join users u on u.user_id = m.user_id
        left join read_markers k on k.box_id = m.box_id and k.room_id = m.room_id and k.user_id = m.user_id
        where me.box_id = $1 and me.room_id = $2 and me.user_id = $3 and me.standing = 'inside'
            and ($4::bigint is null or m.seat > $4)
        order by m.seat
        limit $5
        "#,
        path.room_id.box_id().as_str(),
        path.room_id.to_string(),
        user_id.as_str(),
        after,
        query.limit.rows(),
        app.share_read_markers,
    )
    .fetch_all(&mut *reader)
    .await?;
    if members.is_empty() {
        require_inside(&mut reader, &path.room_id, &user_id).await?;
    }
    Ok(Json(Page::cut(members, query.limit, &list, |last| last.seat)))
}
