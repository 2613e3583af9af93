//! `GET /me/alarms`: the caller's alarms, the newest first.

use axum::Json;
use domain::{BoxId, UserId};
use serde::{Deserialize, Serialize};
use service_kit::{auth::AsUser, extract::Query};
use sqlx::{PgConnection, query_as};
use utoipa::{IntoParams, ToSchema};

use crate::{
    alarm_summary::{MAX_UNREAD, Unread, checkpoints},
    cursor::{self, Moment},
    error::Error,
    page::{Limit, Page},
    position::MinPosition,
    problems::ListProblems,
    reader::Reader,
    schemas,
    views::{AlarmKind, AlarmView},
};

/// The query of `GET /me/alarms`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListMyAlarms {
    /// True for unread alarms only, at most the latest 1,000 of each partition; false for read alarms only.
    unread: Option<bool>,
    /// The maximum number of items.
    #[serde(default)]
    #[param(schema_with = schemas::limit)]
    limit: Limit,
    /// The `next` of the previous page.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// A page of alarms.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlarmsPage {
    #[serde(flatten)]
    page: Page<AlarmView>,
    /// The number of all unread alarms; 1000 stands for 1000 or more.
    #[schema(minimum = 0, maximum = 1000)]
    unread: i64,
    /// The token with which `POST /alarms/read` marks all alarms as read that the list contained at this time; null on
    /// later pages.
    #[schema(required)]
    up_to: Option<String>,
}

/// The key of an alarm in the list.
type Key = (Moment, BoxId, i64, AlarmKind);

/// Lists the caller's alarms.
#[utoipa::path(
    get, path = "/me/alarms", tag = "me", operation_id = "list_my_alarms",
    params(ListMyAlarms, MinPosition),
    responses((status = 200, description = "A page of alarms", body = AlarmsPage), ListProblems)
)]
pub(crate) async fn list_my_alarms(
    AsUser(user_id): AsUser,
    Query(query): Query<ListMyAlarms>,
    mut reader: Reader,
) -> Result<Json<AlarmsPage>, Error> {
    let list = match query.unread {
        None => "my alarms",
        Some(true) => "my unread alarms",
        Some(false) => "my read alarms",
    };
    let after: Option<Key> = cursor::decode(list, query.cursor.as_deref())?;
    // Read before the list, which may contain later alarms.
    let positions = checkpoints(&mut reader).await?;
    let mut unread = Unread::of(&mut reader, &[user_id.to_string()]).await?;
    let unread = unread.remove(user_id.as_str()).unwrap_or_default();
    let alarms = match query.unread {
        Some(true) => unread_alarms(&mut reader, &user_id, after.as_ref(), query.limit).await?,
        None | Some(false) => alarms(&mut reader, &user_id, after.as_ref(), &query).await?,
    };
    let key = |last: &AlarmView| (Moment(last.at), last.box_id.clone(), last.position, last.kind);
    Ok(Json(AlarmsPage {
        page: Page::cut(alarms, query.limit, list, key),
        unread: unread.count,
        up_to: after.is_none().then(|| unread.up_to(positions)).flatten().map(|up_to| up_to.to_string()),
    }))
}

/// Returns all alarms, or those that are read.
async fn alarms(
    connection: &mut PgConnection,
    user_id: &UserId,
    after: Option<&Key>,
    query: &ListMyAlarms,
) -> Result<Vec<AlarmView>, Error> {
    let alarms = query_as!(
        AlarmView,
        r#"
        select
            a.stream || '-' || a.position || '-' || a.kind as "id!",
            a.kind as "kind!: AlarmKind",
            a.at as "at!",
            a.room_id as "room_id!",
            a.message_id::text,
            a.by,
            a.count as "count!",
            a.latest <= coalesce(r.up_to, 0) as "read!",
            a.box_id as "box_id!",
            a.position as "position!"
        from shown_alarms a
        left join alarms_read r on r.user_id = a.user_id and r.stream = a.stream
        where a.user_id = $1
            and a.withdrawn is null
            and a.is_shown
            and ($6::bool is null or a.latest <= r.up_to)
            and (
                $2::timestamptz is null
                or a.at <= $2 and (a.at < $2 or (a.box_id, a.position, a.kind) > ($3, $4, $5))
            )
        order by a.at desc, a.box_id, a.position, a.kind
        limit $7
        "#,
        user_id.as_str(),
        after.map(|(at, ..)| at.0),
        after.map(|(_, box_id, ..)| box_id.as_str()),
        after.map(|(_, _, position, _)| *position),
        after.map(|(.., kind)| *kind) as Option<AlarmKind>,
        query.unread,
        query.limit.rows(),
    );
    Ok(alarms.fetch_all(connection).await?)
}

/// Returns unread alarms: looks at the latest ones of each stream only, however many there are.
async fn unread_alarms(
    connection: &mut PgConnection,
    user_id: &UserId,
    after: Option<&Key>,
    limit: Limit,
) -> Result<Vec<AlarmView>, Error> {
    let alarms = query_as!(
        AlarmView,
        r#"
        select
            a.stream || '-' || a.position || '-' || a.kind as "id!",
            a.kind as "kind!: AlarmKind",
            a.at as "at!",
            a.room_id as "room_id!",
            a.message_id::text,
            a.by,
            a.count as "count!",
            false as "read!",
            a.box_id as "box_id!",
            a.position as "position!"
        from checkpoints c
        left join alarms_read r on r.user_id = $1 and r.stream = c.stream
        cross join lateral (
            select *
            from shown_alarms f
            where f.user_id = $1
                and f.stream = c.stream
                and f.latest_of_all > coalesce(r.up_to, 0)
                and f.latest > coalesce(r.up_to, 0)
                and f.withdrawn is null
                and f.is_shown
            order by f.latest_of_all desc
            limit $6
        ) as a
        where c.stream like 'box-%'
            and (
                $2::timestamptz is null
                or a.at <= $2 and (a.at < $2 or (a.box_id, a.position, a.kind) > ($3, $4, $5))
            )
        order by a.at desc, a.box_id, a.position, a.kind
        limit $7
        "#,
        user_id.as_str(),
        after.map(|(at, ..)| at.0),
        after.map(|(_, box_id, ..)| box_id.as_str()),
        after.map(|(_, _, position, _)| *position),
        after.map(|(.., kind)| *kind) as Option<AlarmKind>,
        MAX_UNREAD,
        limit.rows(),
    );
    Ok(alarms.fetch_all(connection).await?)
}
