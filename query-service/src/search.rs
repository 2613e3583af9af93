//! `GET /search/messages`: full-text search in the caller's rooms, the newest messages first.

use axum::{Json, extract::State};
use domain::{BoxId, MessageId, UserId};
use serde::Deserialize;
use service_kit::{auth::AsUser, extract::Query};
use sqlx::query_as;
use tokio::task;
use tracing::Instrument;
use utoipa::IntoParams;

use crate::{
    app::App,
    cursor::{self, Moment},
    error::Error,
    page::{Limit, Page},
    position::MinPosition,
    problems::SearchProblems,
    reader::ReadModel,
    schemas,
    views::{MessageView, Reactions},
};

pub(crate) mod limiter;

const LIST: &str = "search";

/// PostgreSQL's code of a statement that was cancelled because `statement_timeout` has passed.
const QUERY_CANCELED: &str = "57014";

/// The query of `GET /search/messages`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchMessages {
    /// Words to search for. `"a phrase"`, `or` and `-not` work as in search engines.
    #[param(value_type = String, min_length = 1, max_length = 200, example = "spring rolls")]
    q: Words,
    /// The maximum number of items.
    #[serde(default)]
    #[param(schema_with = schemas::limit)]
    limit: Limit,
    /// The `next` of the previous page.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// The text of a search.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Words(String);

impl TryFrom<String> for Words {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        // PostgreSQL does not accept NUL.
        if text.is_empty() || text.chars().count() > 200 || text.contains('\0') {
            return Err("must have 1 to 200 characters");
        }
        Ok(Self(text))
    }
}

/// Searches messages in the rooms that the caller is a member of, or was when they closed.
///
/// One search of a user runs at a time. A second one waits for up to a second.
#[utoipa::path(
    get, path = "/search/messages", tag = "search", operation_id = "search_messages",
    params(SearchMessages, MinPosition),
    responses((status = 200, description = "A page of messages", body = Page<MessageView>), SearchProblems)
)]
pub(crate) async fn search_messages(
    AsUser(user_id): AsUser,
    Query(query): Query<SearchMessages>,
    State(app): State<App>,
    read_model: ReadModel,
) -> Result<Json<Page<MessageView>>, Error> {
    let after = cursor::decode(LIST, query.cursor.as_deref())?;
    let permit = app.searches.acquire(&user_id).await?;
    // A task of its own: a client that hangs up does not end the statement, so it must not release the permit either.
    let search = async move {
        let _permit = permit;
        search(&user_id, query, after, read_model).await
    };
    let search = task::spawn(search.in_current_span());
    search.await.unwrap_or_else(|end| std::panic::resume_unwind(end.into_panic()))
}

async fn search(
    user: &UserId,
    query: SearchMessages,
    after: Option<(Moment, BoxId, MessageId)>,
    read_model: ReadModel,
) -> Result<Json<Page<MessageView>>, Error> {
    let mut reader = read_model.search().await?;
    let messages = query_as!(
        MessageView,
        r#"
        select
            m.message_id::text as "message_id!",
            m.room_id,
            m.author,
            m.body,
            m.erased,
            m.reply_to::text,
            m.posted_at,
            m.edited_at,
            m.body is null as "deleted!",
            m.reactions as "reactions: Reactions"
        from user_rooms mine
        join members me on me.box_id = mine.box_id and me.room_id = mine.room_id and me.user_id = mine.user_id
        join messages m on m.box_id = mine.box_id and m.room_id = mine.room_id
        where mine.user_id = $1
            and me.standing = 'inside'
            -- the expression of the index
            and to_tsvector('simple', coalesce(m.body, '')) @@ websearch_to_tsquery('simple', $2)
            and (
                $3::timestamptz is null
                or m.posted_at <= $3 and (m.posted_at < $3 or (m.box_id, m.message_id) > ($4, $5))
            )
        order by m.posted_at desc, m.box_id, m.message_id
        limit $6
        "#,
        user.as_str(),
        query.q.0,
        after.as_ref().map(|(posted_at, ..)| posted_at.0),
        after.as_ref().map(|(_, box_id, _)| box_id.as_str()),
        after.as_ref().map(|(.., message_id)| message_id.sequence().cast_signed()),
        query.limit.rows(),
    )
    .fetch_all(&mut *reader)
    .await
    .map_err(over_budget)?;
    Ok(Json(Page::cut(messages, query.limit, LIST, |last| {
        // A room id begins with its box id.
        let box_id = last.room_id.split('.').next().unwrap_or_default().to_owned();
        (Moment(last.posted_at), box_id, last.message_id.clone())
    })))
}

/// Distinguishes a search that was cancelled because it took too long from one that failed.
fn over_budget(error: sqlx::Error) -> Error {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    if code.is_some_and(|code| code == QUERY_CANCELED) { Error::SearchBusy } else { error.into() }
}
