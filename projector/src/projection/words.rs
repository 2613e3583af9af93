//! The lexemes by which a message is found.

use domain::values::ERASED;
use text::search::Words;

use super::tables::Message;

/// Returns the lexemes of a message: none if it is deleted or erased.
pub(super) fn words(Message { body, room_id, posted_at, .. }: &Message) -> Words {
    let readable = body.as_deref().filter(|body| *body != ERASED);
    readable.map_or_else(Words::default, |body| Words::of_message(body, room_id, posted_at.timestamp()))
}
