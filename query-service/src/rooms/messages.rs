//! `GET /rooms/{room}/messages`: the newest first, or the messages around one.

use axum::Json;
use domain::{MessageId, RoomId, UserId};
use serde::{Deserialize, Serialize};
use service_kit::{
    auth::AsUser,
    extract::{Path, Query},
};
use sqlx::{PgConnection, query_as};
use utoipa::IntoParams;

use crate::{
    cursor,
    error::Error,
    page::{Limit, Page},
    position::MinPosition,
    problems::MemberListProblems,
    reader::Reader,
    rooms::{RoomPath, access::require_inside},
    schemas,
    views::{MessageView, Reactions},
};

/// The query of `GET /rooms/{room}/messages`. Without a position, the last messages.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListMessages {
    /// Returns the last messages before this one.
    #[param(schema_with = schemas::message_id)]
    before: Option<MessageId>,
    /// Returns the first messages after this one.
    #[param(schema_with = schemas::message_id)]
    after: Option<MessageId>,
    /// Returns this message and those before and after it.
    #[param(schema_with = schemas::message_id)]
    around: Option<MessageId>,
    /// The maximum number of items.
    #[serde(default)]
    #[param(schema_with = schemas::limit)]
    limit: Limit,
    /// The `next` of the previous page. Continues in the same direction.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// The starting point of a page, and its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Anchor {
    Newest,
    Before(MessageId),
    After(MessageId),
    Around(MessageId),
}

impl ListMessages {
    fn anchor(&self, list: &str) -> Result<Anchor, Error> {
        let cursor = cursor::decode(list, self.cursor.as_deref())?;
        let mut anchors =
            [cursor, self.before.map(Anchor::Before), self.after.map(Anchor::After), self.around.map(Anchor::Around)]
                .into_iter()
                .flatten();
        let anchor = anchors.next().unwrap_or(Anchor::Newest);
        match anchors.next() {
            None => Ok(anchor),
            Some(_) => Err(Error::InvalidQuery("before, after, around, cursor: at most one of them")),
        }
    }
}

/// A page as two ranges: `rows_below` messages before one id, and `rows_from` messages from another one on.
struct Window {
    below: i64,
    rows_below: i64,
    from: i64,
    rows_from: i64,
}

impl Window {
    fn of(anchor: Anchor, limit: Limit) -> Self {
        // Ids have at most 18 digits.
        let id = |message: MessageId| message.sequence().cast_signed();
        match anchor {
            Anchor::Newest => Self { below: i64::MAX, rows_below: limit.rows(), from: 0, rows_from: 0 },
            Anchor::Before(message) => Self { below: id(message), rows_below: limit.rows(), from: 0, rows_from: 0 },
            Anchor::After(message) => Self { below: 0, rows_below: 0, from: id(message) + 1, rows_from: limit.rows() },
            Anchor::Around(message) => {
                let rows_below = limit.rows() / 2;
                Self { below: id(message), rows_below, from: id(message), rows_from: limit.rows() - rows_below }
            }
        }
    }
}

/// Lists messages, the newest first, for members only.
#[utoipa::path(
    get, path = "/rooms/{room}/messages", tag = "rooms", operation_id = "list_messages",
    params(RoomPath, ListMessages, MinPosition),
    responses((status = 200, description = "A page of messages", body = Page<MessageView>), MemberListProblems)
)]
pub(crate) async fn list_messages(
    AsUser(user_id): AsUser,
    Path(path): Path<RoomPath>,
    Query(query): Query<ListMessages>,
    mut reader: Reader,
) -> Result<Json<Page<MessageView>>, Error> {
    let list = format!("messages of {}", path.room_id);
    let anchor = query.anchor(&list)?;
    let window = Window::of(anchor, query.limit);
    let messages = read(&mut reader, &path.room_id, &user_id, &window).await?;
    if messages.is_empty() {
        require_inside(&mut reader, &path.room_id, &user_id).await?;
    }
    Ok(Json(cut(messages, anchor, query.limit, &list)))
}

/// Cuts off the extra row, which is the farthest from the starting point.
fn cut(mut messages: Vec<MessageView>, anchor: Anchor, limit: Limit, list: &str) -> Page<MessageView> {
    if !matches!(anchor, Anchor::After(_)) {
        return Page::cut(messages, limit, list, |last| serde_json::json!({ "before": last.message_id }));
    }
    let more = messages.len() > limit.count();
    let extra = messages.len().saturating_sub(limit.count());
    messages.drain(..extra);
    let next = messages.first().filter(|_| more);
    let next = next.map(|newest| cursor::encode(list, &serde_json::json!({ "after": newest.message_id })));
    Page { items: messages, next }
}

async fn read(
    connection: &mut PgConnection,
    room_id: &RoomId,
    user_id: &UserId,
    window: &Window,
) -> Result<Vec<MessageView>, sqlx::Error> {
    query_as!(
        MessageView,
        r#"
        with mine as (
            select box_id, room_id
            from members
            where box_id = $1 and room_id = $2 and user_id = $3 and standing = 'inside'
        )
        select
            m.message_id::text as "message_id!",
            m.room_id as "room_id!",
            m.author as "author!",
            m.body as "body?",
            m.erased as "erased!",
            m.reply_to::text as "reply_to?",
            m.posted_at as "posted_at!",
            m.edited_at as "edited_at?",
            m.body is null as "deleted!",
            m.reactions as "reactions!: Reactions",
            m.mentions as "mentions!: sqlx::types::Json<Vec<String>>",
            m.mentions_all as "mentions_all!",
            m.author in (select b.blocked from blocks b where b.user_id = $3) as "blocked!"
        from mine
        cross join lateral (
            (
                select * from messages b
                where b.box_id = mine.box_id and b.room_id = mine.room_id and b.message_id < $4
                order by b.message_id desc
                limit $5
            )
            union all
            (
                select * from messages f
                where f.box_id = mine.box_id and f.room_id = mine.room_id and f.message_id >= $6
                order by f.message_id
                limit $7
            )
        ) as m
        order by m.message_id desc
        "#,
        room_id.box_id().as_str(),
        room_id.to_string(),
        user_id.as_str(),
        window.below,
        window.rows_below,
        window.from,
        window.rows_from,
    )
    .fetch_all(connection)
    .await
}
