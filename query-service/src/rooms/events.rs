//! `GET /rooms/{room}/events`: the room's feed, in order.

use axum::Json;
use domain::{RoomId, UserId};
use serde::{Deserialize, Serialize};
use service_kit::{
    auth::AsUser,
    extract::{Path, Query},
};
use sqlx::query_as;
use utoipa::{IntoParams, ToSchema};

use crate::{
    cursor,
    error::Error,
    live::cursor::Cursor,
    page::{Limit, Page},
    position::MinPosition,
    problems::MemberListProblems,
    reader::Reader,
    rooms::{RoomPath, access::require_inside},
    schemas,
    views::{EventData, EventView},
};

/// The query of `GET /rooms/{room}/events`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListEvents {
    /// Returns only events after this version. Without it, from the first one.
    #[param(schema_with = schemas::count)]
    after_v: Option<Version>,
    /// The maximum number of items.
    #[serde(default)]
    #[param(schema_with = schemas::limit)]
    limit: Limit,
    /// The `next` of the previous page, or the cursor of a live connection, to continue after its version of the room.
    #[param(max_length = 24_000)]
    cursor: Option<String>,
}

/// A version of a feed; 0 before its first event.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "i64")]
struct Version(i64);

impl TryFrom<i64> for Version {
    type Error = &'static str;

    fn try_from(v: i64) -> Result<Self, &'static str> {
        if v >= 0 { Ok(Self(v)) } else { Err("must not be negative") }
    }
}

/// A page of a feed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FeedPage {
    /// The events, in order.
    items: Vec<EventView>,
    /// The `cursor` of the next page; null on the last page.
    #[schema(required)]
    next: Option<String>,
    /// The version of the feed's last event.
    #[schema(schema_with = schemas::count)]
    head_v: i64,
}

/// Lists the events of a room, in order, for members only: the same events that live connections carry.
#[utoipa::path(
    get, path = "/rooms/{room}/events", tag = "rooms", operation_id = "list_events",
    params(RoomPath, ListEvents, MinPosition),
    responses((status = 200, description = "A page of the feed", body = FeedPage), MemberListProblems)
)]
pub(crate) async fn list_events(
    AsUser(user_id): AsUser,
    Path(path): Path<RoomPath>,
    Query(query): Query<ListEvents>,
    mut reader: Reader,
) -> Result<Json<FeedPage>, Error> {
    let list = format!("events of {}", path.room_id);
    if query.cursor.is_some() && query.after_v.is_some() {
        return Err(Error::InvalidQuery("after_v, cursor: at most one of them"));
    }
    let cursor = match query.cursor.as_deref() {
        Some(text) => Some(after_cursor(text, &list, &path.room_id, &user_id, &reader.incarnation())?),
        None => None,
    };
    let events = query_as!(
        EventView,
        r#"
        select
            e.v,
            e.type as kind,
            e.at,
            e.by,
            case
                when e.type = 'member_joined' then e.data || jsonb_build_object(
                    'nickname', (select u.nickname from users u where u.user_id = e.data ->> 'user_id')
                )
                else e.data
            end as "data!: EventData",
            case when e.by = $3 then e.command_id end as command_id,
            r.v as head_v
        from members m
        join rooms r on r.box_id = m.box_id and r.room_id = m.room_id
        join room_events e on e.box_id = m.box_id and e.room_id = m.room_id
        where m.box_id = $1 and m.room_id = $2 and m.user_id = $3 and m.standing = 'inside'
            and e.v > $4
        order by e.v
        limit $5
        "#,
        path.room_id.box_id().as_str(),
        path.room_id.to_string(),
        user_id.as_str(),
        cursor.or(query.after_v.map(|after| after.0)).unwrap_or(0),
        query.limit.rows(),
    )
    .fetch_all(&mut *reader)
    .await?;
    let head_v = match events.last() {
        Some(event) => event.head_v,
        None => require_inside(&mut reader, &path.room_id, &user_id).await?.head_v,
    };
    let Page { items, next } = Page::cut(events, query.limit, &list, |last| last.v);
    Ok(Json(FeedPage { items, next, head_v }))
}

/// Returns the version in a cursor: of a page of this list, or of a live connection that has the room.
fn after_cursor(text: &str, list: &str, room: &RoomId, user: &UserId, incarnation: &str) -> Result<i64, Error> {
    if let Ok(Some(v)) = cursor::decode(list, Some(text)) {
        return Ok(v);
    }
    let cursor = Cursor::decode(text, user).filter(|cursor| cursor.is_of_log(incarnation));
    cursor.and_then(|cursor| cursor.version(room)).ok_or(Error::InvalidCursor)
}
