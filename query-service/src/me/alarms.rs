//! `GET /me/alarms`: the caller's alarms, the newest first.

use axum::Json;
use domain::BoxId;
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
    views::{AlarmKind, AlarmView},
};

const LIST: &str = "my alarms";

/// The query of `GET /me/alarms`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListMyAlarms {
    /// The maximum number of items.
    #[serde(default)]
    #[param(schema_with = schemas::limit)]
    limit: Limit,
    /// The `next` of the previous page.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// Lists the caller's alarms.
#[utoipa::path(
    get, path = "/me/alarms", tag = "me", operation_id = "list_my_alarms",
    params(ListMyAlarms, MinPosition),
    responses((status = 200, description = "A page of alarms", body = Page<AlarmView>), ListProblems)
)]
pub(crate) async fn list_my_alarms(
    AsUser(user_id): AsUser,
    Query(query): Query<ListMyAlarms>,
    mut reader: Reader,
) -> Result<Json<Page<AlarmView>>, Error> {
    let after: Option<(Moment, BoxId, i64, AlarmKind)> = cursor::decode(LIST, query.cursor.as_deref())?;
    let alarms = query_as!(
        AlarmView,
        r#"
        select
            stream || '-' || position || '-' || kind as "id!",
            kind as "kind: AlarmKind",
            at,
            room_id,
            message_id::text,
            by,
            box_id,
            position
        from alarms
        where user_id = $1
            and (
                $2::timestamptz is null
                or at <= $2 and (at < $2 or (box_id, position, kind) > ($3, $4, $5))
            )
        order by at desc, box_id, position, kind
        limit $6
        "#,
        user_id.as_str(),
        after.as_ref().map(|(at, ..)| at.0),
        after.as_ref().map(|(_, box_id, ..)| box_id.as_str()),
        after.as_ref().map(|(_, _, position, _)| *position),
        after.as_ref().map(|(.., kind)| *kind) as Option<AlarmKind>,
        query.limit.rows(),
    )
    .fetch_all(&mut *reader)
    .await?;
    let key = |last: &AlarmView| (Moment(last.at), last.box_id.clone(), last.position, last.kind);
    Ok(Json(Page::cut(alarms, query.limit, LIST, key)))
}
