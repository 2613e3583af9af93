//! The statements of a search.

use chrono::{DateTime, Utc};
use domain::{BoxId, MessageId, RoomId, UserId};
use sqlx::{PgConnection, query_file_as, query_scalar};
use text::search::room_lexeme;

use crate::{
    cursor::Moment,
    page::Limit,
    views::{MessageView, Reactions},
};

/// Up to this number of rooms, the index is asked for the messages of the rooms. Beyond, it is asked for the words
/// only, and the rooms are compared row by row.
const FEW_ROOMS: usize = 200;

/// The number of rooms that the index is asked for at once: its effort grows with the square.
const ROOMS_AT_ONCE: usize = 20;

/// The maximum number of rooms that are compared row by row. Beyond, memberships are looked up row by row.
const MANY_ROOMS: usize = 5_000;

/// The limits of a search besides its words.
pub(super) struct Filter {
    pub(super) author: Option<UserId>,
    pub(super) from: Option<DateTime<Utc>>,
    pub(super) before: Option<DateTime<Utc>>,
    pub(super) after: Option<(Moment, BoxId, MessageId)>,
    pub(super) limit: Limit,
}

/// The rooms that a user may read; `None` if they are too many for a list.
pub(super) struct Rooms(Option<Vec<String>>);

/// Reads the rooms that a user may read, or one of them.
pub(super) async fn rooms(
    connection: &mut PgConnection,
    user: &UserId,
    room_id: Option<&RoomId>,
) -> Result<Rooms, sqlx::Error> {
    let rooms = query_scalar!(
        "select mine.room_id
         from user_rooms mine
         join members me on me.box_id = mine.box_id and me.room_id = mine.room_id and me.user_id = mine.user_id
         where mine.user_id = $1
             and me.standing = 'inside'
             and ($2::text is null or mine.room_id = $2)
         limit $3",
        user.as_str(),
        room_id.map(ToString::to_string),
        i64::try_from(MANY_ROOMS).unwrap_or(i64::MAX) + 1,
    )
    .fetch_all(connection)
    .await?;
    Ok(Rooms(Some(rooms).filter(|rooms| rooms.len() <= MANY_ROOMS)))
}

impl Rooms {
    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_some_and(Vec::is_empty)
    }

    /// Returns the rooms that are compared row by row.
    fn compared(&self) -> Option<&[String]> {
        self.0.as_deref().filter(|rooms| rooms.len() > FEW_ROOMS)
    }

    /// Returns the text of a `tsquery` for each part of the rooms.
    fn parts(&self, words: &str) -> Vec<String> {
        let Some(rooms) = self.0.as_ref().filter(|rooms| rooms.len() <= FEW_ROOMS) else {
            return vec![words.to_owned()];
        };
        let parts = rooms.chunks(ROOMS_AT_ONCE).map(|rooms| {
            let lexemes: Vec<String> = rooms.iter().map(|room_id| format!("'{}'", room_lexeme(room_id))).collect();
            format!("({words}) & ({})", lexemes.join(" | "))
        });
        parts.collect()
    }
}

/// Finds the newest messages with these words. The memberships are checked with the rows that are returned.
pub(super) async fn find(
    connection: &mut PgConnection,
    user: &UserId,
    rooms: &Rooms,
    words: &str,
    filter: &Filter,
) -> Result<Vec<MessageView>, sqlx::Error> {
    let Filter { author, from, before, after, limit } = filter;
    query_file_as!(
        MessageView,
        "src/search/find.sql",
        user.as_str(),
        &rooms.parts(words),
        rooms.compared(),
        author.as_ref().map(UserId::as_str),
        *from,
        *before,
        after.as_ref().map(|(posted_at, ..)| posted_at.0),
        after.as_ref().map(|(_, box_id, _)| box_id.as_str()),
        after.as_ref().map(|(.., message_id)| message_id.sequence().cast_signed()),
        limit.rows(),
    )
    .fetch_all(connection)
    .await
}
