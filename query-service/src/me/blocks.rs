//! `GET /me/blocks`: the users that the caller has blocked.

use axum::Json;
use domain::UserId;
use serde::Deserialize;
use service_kit::{auth::AsUser, extract::Query};
use sqlx::query_as;
use utoipa::IntoParams;

use crate::{
    cursor,
    error::Error,
    page::{Limit, Page},
    position::MinPosition,
    problems::ListProblems,
    reader::Reader,
    schemas,
    views::BlockView,
};

const LIST: &str = "my blocks";

/// The query of `GET /me/blocks`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListMyBlocks {
    /// The maximum number of items.
    #[serde(default)]
    #[param(schema_with = schemas::limit)]
    limit: Limit,
    /// The `next` of the previous page.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// Lists the users that the caller has blocked, in the order of their ids.
#[utoipa::path(
    get, path = "/me/blocks", tag = "me", operation_id = "list_my_blocks",
    params(ListMyBlocks, MinPosition),
    responses((status = 200, description = "A page of users", body = Page<BlockView>), ListProblems)
)]
pub(crate) async fn list_my_blocks(
    AsUser(user_id): AsUser,
    Query(query): Query<ListMyBlocks>,
    mut reader: Reader,
) -> Result<Json<Page<BlockView>>, Error> {
    let after: Option<UserId> = cursor::decode(LIST, query.cursor.as_deref())?;
    let blocks = query_as!(
        BlockView,
        r#"
        select b.blocked as user_id, u.nickname as "nickname?", b.blocked_at
        from blocks b
        left join users u on u.user_id = b.blocked
        where b.user_id = $1 and ($2::text is null or b.blocked > $2)
        order by b.blocked
        limit $3
        "#,
        user_id.as_str(),
        after.as_ref().map(UserId::as_str),
        query.limit.rows(),
    )
    .fetch_all(&mut *reader)
    .await?;
    Ok(Json(Page::cut(blocks, query.limit, LIST, |last| last.user_id.clone())))
}
