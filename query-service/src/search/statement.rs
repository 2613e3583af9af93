//! The statements of a search.

use chrono::{DateTime, Utc};
use domain::{BoxId, MessageId, RoomId, UserId};
use sqlx::{PgConnection, query_as, query_file_as};
use text::search::room_lexeme;

use super::rooms::SearchedRoom;
use crate::{
    cursor::Moment,
    page::Limit,
    views::{MessageView, Reactions},
};

/// The number of rooms that the index is asked for at once: its effort grows with the square.
const ROOMS_AT_ONCE: usize = 20;

/// The limits of a search besides its words.
pub(super) struct Filter {
    pub(super) author: Option<UserId>,
    pub(super) from: Option<DateTime<Utc>>,
    pub(super) before: Option<DateTime<Utc>>,
    pub(super) after: Option<(Moment, BoxId, MessageId)>,
    pub(super) limit: Limit,
}

/// Reads the rooms that a user may read, or one of them, which were active within a time. The last active comes first.
pub(super) async fn rooms(
    connection: &mut PgConnection,
    user: &UserId,
    room_id: Option<&RoomId>,
    oldest: Option<DateTime<Utc>>,
    newest: DateTime<Utc>,
) -> Result<Vec<SearchedRoom>, sqlx::Error> {
    query_as!(
        SearchedRoom,
        "select r.room_id, r.last_activity_at, r.last_ordinal
         from user_rooms mine
         join rooms r on r.box_id = mine.box_id and r.room_id = mine.room_id
         where mine.user_id = $1
             and mine.inside
             and ($2::text is null or mine.room_id = $2)
             and ($3::timestamptz is null or r.last_activity_at >= $3)
             and mine.opened_at <= $4
         order by r.last_activity_at desc, r.room_id",
        user.as_str(),
        room_id.map(ToString::to_string),
        oldest,
        newest,
    )
    .fetch_all(connection)
    .await
}

/// Finds the newest messages with these words in some rooms, from a time on. The memberships are checked with the rows
/// that are returned.
pub(super) async fn find(
    connection: &mut PgConnection,
    user: &UserId,
    rooms: &[SearchedRoom],
    words: &str,
    from: Option<DateTime<Utc>>,
    filter: &Filter,
) -> Result<Vec<MessageView>, sqlx::Error> {
    let Filter { author, before, after, limit, .. } = filter;
    query_file_as!(
        MessageView,
        "src/search/find.sql",
        user.as_str(),
        &parts(rooms, words),
        author.as_ref().map(UserId::as_str),
        from,
        *before,
        after.as_ref().map(|(posted_at, ..)| posted_at.0),
        after.as_ref().map(|(_, box_id, _)| box_id.as_str()),
        after.as_ref().map(|(.., message_id)| message_id.sequence().cast_signed()),
        limit.rows(),
    )
    .fetch_all(connection)
    .await
}

/// Returns the text of a `tsquery` for each part of the rooms.
fn parts(rooms: &[SearchedRoom], words: &str) -> Vec<String> {
    let parts = rooms.chunks(ROOMS_AT_ONCE).map(|rooms| {
        let lexemes: Vec<String> = rooms.iter().map(|room| format!("'{}'", room_lexeme(&room.room_id))).collect();
        format!("({words}) & ({})", lexemes.join(" | "))
    });
    parts.collect()
}
