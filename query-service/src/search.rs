//! `GET /search/messages`: full-text search in the caller's rooms, the newest messages first.

use std::{cmp::Reverse, time::Instant};

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use domain::{BoxId, MessageId, RoomId, UserId};
use serde::{Deserialize, Serialize};
use service_kit::{auth::AsUser, clock, extract::Query};
use text::search::{InvalidSearch, Search};
use utoipa::{IntoParams, ToSchema};

use self::{
    rooms::{Batch, CLOCK_SLACK, SearchedRoom},
    statement::Filter,
    window::Window,
};
use crate::{
    app::App,
    cursor::{self, Moment},
    error::Error,
    page::{Limit, Page},
    position::MinPosition,
    problems::SearchProblems,
    reader::{ReadModel, Reader},
    schemas,
    views::MessageView,
};

pub(crate) mod limiter;
mod rooms;
mod statement;
mod window;

const LIST: &str = "search";

/// The maximum length of a search in characters.
const MAX_CHARS: usize = 200;

/// PostgreSQL's code of a statement that was cancelled because `statement_timeout` has passed.
const QUERY_CANCELED: &str = "57014";

/// The query of `GET /search/messages`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchMessages {
    /// Up to 20 words to search for. A word is found by its beginning. `"a phrase"`, `or` and `-not` work as in search
    /// engines.
    #[param(value_type = String, min_length = 1, max_length = 200, example = "spring rolls")]
    q: Words,
    /// Returns messages of this room only.
    #[param(schema_with = schemas::room_id)]
    room: Option<RoomId>,
    /// Returns messages of this user only.
    #[param(schema_with = schemas::user_id)]
    author: Option<UserId>,
    /// Returns messages from this time on only.
    #[param(value_type = DateTime<Utc>, required = false)]
    after: Option<Time>,
    /// Returns messages before this time only.
    #[param(value_type = DateTime<Utc>, required = false)]
    before: Option<Time>,
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
pub(crate) struct Words(pub(crate) Search);

impl TryFrom<String> for Words {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        if text.is_empty() || text.chars().count() > MAX_CHARS || text.contains('\0') {
            return Err("must have 1 to 200 characters");
        }
        Search::parse(&text).map(Self).map_err(|reason| match reason {
            InvalidSearch::NoWord => "must have a word to search for, on each side of `or`",
            InvalidSearch::TooManyTerms => "must have at most 20 words",
        })
    }
}

/// A time within the range that PostgreSQL can compare.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "DateTime<Utc>")]
struct Time(DateTime<Utc>);

impl TryFrom<DateTime<Utc>> for Time {
    type Error = &'static str;

    fn try_from(time: DateTime<Utc>) -> Result<Self, &'static str> {
        Moment::try_from(time.timestamp_micros()).map(|Moment(time)| Self(time))
    }
}

/// A message that was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FoundMessage {
    #[serde(flatten)]
    message: MessageView,
    /// The places of the body that were searched for, ascending: begin and end in UTF-16 code units, as `slice` of a
    /// JavaScript string takes them.
    #[schema(max_items = 100)]
    highlights: Vec<[u32; 2]>,
}

/// Searches messages in the rooms that the caller is a member of, or was when they closed.
///
/// The newest messages come first. Deleted messages are not found. One search of a user runs at a time. A second one
/// waits for up to a second.
#[utoipa::path(
    get, path = "/search/messages", tag = "search", operation_id = "search_messages",
    params(SearchMessages, MinPosition),
    responses((status = 200, description = "A page of messages", body = Page<FoundMessage>), SearchProblems)
)]
pub(crate) async fn search_messages(
    AsUser(user_id): AsUser,
    Query(query): Query<SearchMessages>,
    State(app): State<App>,
    read_model: ReadModel,
) -> Result<Json<Page<FoundMessage>>, Error> {
    let after = cursor::decode(LIST, query.cursor.as_deref())?;
    let permit = app.searches.acquire(&user_id).await?;
    permit.run(async move |deadline| search(&user_id, query, after, read_model, deadline).await).await
}

async fn search(
    user: &UserId,
    query: SearchMessages,
    after: Option<(Moment, BoxId, MessageId)>,
    read_model: ReadModel,
    deadline: Instant,
) -> Result<Json<Page<FoundMessage>>, Error> {
    let Words(search) = query.q;
    let (from, before, limit) = (query.after.map(|time| time.0), query.before.map(|time| time.0), query.limit);
    let newest = [before, after.as_ref().map(|(posted_at, ..)| posted_at.0)].into_iter().flatten().min();
    let newest = newest.map_or_else(clock::now, |newest| newest.min(clock::now())) + CLOCK_SLACK;
    let filter = Filter { author: query.author, from, before, after, limit };
    let mut reader = read_model.search().await?;
    let oldest = from.map(|from| from - CLOCK_SLACK);
    let rooms = statement::rooms(&mut reader, user, query.room.as_ref(), oldest, newest).await.map_err(over_budget)?;
    let mut searcher = Searcher { reader, user, words: search.tsquery(), filter, newest, deadline };
    let messages = searcher.newest_messages(&rooms).await?;
    let page = Page::cut(messages, limit, LIST, |last| {
        (Moment(last.posted_at), order(last).1.to_owned(), last.message_id.clone())
    });
    let items = page.items.into_iter().map(|message| {
        let highlights = message.body.as_deref().map(|body| search.highlights(body)).unwrap_or_default();
        FoundMessage { message, highlights }
    });
    Ok(Json(Page { items: items.collect(), next: page.next }))
}

/// A search in progress.
struct Searcher<'a> {
    reader: Reader,
    user: &'a UserId,
    words: String,
    filter: Filter,
    /// The time after which no message is searched.
    newest: DateTime<Utc>,
    deadline: Instant,
}

impl Searcher<'_> {
    /// Finds the newest messages in rooms that are ordered by their last activity.
    async fn newest_messages(&mut self, rooms: &[SearchedRoom]) -> Result<Vec<MessageView>, Error> {
        let wanted = self.filter.limit.count() + 1;
        let (mut messages, mut searched): (Vec<MessageView>, u64) = (Vec::new(), 0);
        for batch in rooms::batches(rooms) {
            // The time of the last message that is returned if nothing else is found.
            let last = messages.get(wanted - 1).map(|last| last.posted_at);
            let batch = batch.since(last);
            if batch.is_empty() {
                break;
            }
            let is_common = last.is_some() || batch.expects_many(messages.len(), searched);
            searched += batch.message_count();
            messages.extend(self.find(batch, last, is_common).await?);
            messages.sort_by(|one, other| order(one).cmp(&order(other)));
            messages.truncate(wanted);
        }
        Ok(messages)
    }

    /// Finds the newest messages in a batch of rooms, from `last` on. Common words are first searched in a short time.
    async fn find(
        &mut self,
        batch: Batch<'_>,
        last: Option<DateTime<Utc>>,
        is_common: bool,
    ) -> Result<Vec<MessageView>, Error> {
        let from = self.filter.from.max(last);
        let newest = batch.newest().map_or(self.newest, |newest| newest.min(self.newest));
        let mut window = if is_common && batch.is_large() { Window::before(newest) } else { Window::all(newest) };
        loop {
            if Instant::now() > self.deadline {
                return Err(Error::SearchBusy);
            }
            let words = match window.tsquery() {
                Some(time) => format!("({}) & ({time})", self.words),
                None => self.words.clone(),
            };
            let found = statement::find(&mut self.reader, self.user, batch.0, &words, from, &self.filter).await;
            let found = found.map_err(over_budget)?;
            let is_full = found.len() > self.filter.limit.count();
            match window.widen(from, found.len()) {
                Some(wider) if !is_full => window = wider,
                _ => return Ok(found),
            }
        }
    }
}

/// Returns the place of a message among the results: the newest first.
fn order(message: &MessageView) -> (Reverse<DateTime<Utc>>, &str, u64) {
    // A room id begins with its box id.
    let box_id = message.room_id.split('.').next().unwrap_or_default();
    (Reverse(message.posted_at), box_id, message.message_id.parse().unwrap_or_default())
}

/// Distinguishes a search that was cancelled because it took too long from one that failed.
pub(crate) fn over_budget(error: sqlx::Error) -> Error {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    if code.is_some_and(|code| code == QUERY_CANCELED) { Error::SearchBusy } else { error.into() }
}
