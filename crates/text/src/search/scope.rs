//! Lexemes that limit a search to rooms, stores and times. They contain a colon, as no word does.

use std::fmt::Display;

const WEEK_SECONDS: i64 = 7 * 24 * 60 * 60;

/// The number of weeks that one block covers.
pub const BLOCK_WEEKS: i64 = 16;

/// Returns the number of the week with this time, in seconds since 1970.
pub fn week_of(seconds: i64) -> i64 {
    seconds.div_euclid(WEEK_SECONDS)
}

/// Returns the lexeme of the messages of a week.
pub fn week_lexeme(week: i64) -> String {
    format!("t:{week}")
}

/// Returns the lexeme of the messages of [`BLOCK_WEEKS`] weeks with this one among them.
pub fn block_lexeme(week: i64) -> String {
    format!("b:{}", week.div_euclid(BLOCK_WEEKS))
}

/// Returns the lexeme of the messages of a room.
pub fn room_lexeme(room_id: &impl Display) -> String {
    format!("r:{room_id}")
}

/// Returns the lexeme of the rooms that order from a store.
pub fn store_lexeme(store_id: &impl Display) -> String {
    format!("s:{store_id}")
}
