//! The lexemes by which messages, rooms and stores are found.

use domain::values::ERASED;
use text::search::Words;

use super::tables::{Message, RoomRow, StoreRow};

/// Returns the lexemes of a message: none if it is deleted or erased.
pub(super) fn message_words(Message { body, room_id, posted_at, .. }: &Message) -> Words {
    let readable = body.as_deref().filter(|body| *body != ERASED);
    readable.map_or_else(Words::default, |body| Words::of_message(body, room_id, posted_at.timestamp()))
}

/// Returns the lexemes of a room: only that of its store if the title is erased.
pub(super) fn room_words(RoomRow { title, store_id, .. }: &RoomRow) -> Words {
    Words::of_room(if title == ERASED { "" } else { title }, store_id)
}

/// Returns the lexemes of a store.
pub(super) fn store_words(StoreRow { name, .. }: &StoreRow) -> Words {
    Words::of_store(name)
}
