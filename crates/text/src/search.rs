//! Words of messages, rooms and stores for the search: the same function makes the lexemes of a text and those of a
//! query, so that results do not depend on the locale of a database.
//!
//! A term of a query is found if its normalised text occurs in the normalised message from the start of a word on. In
//! scripts without spaces between words, and in Hangul, it may occur anywhere.

mod fold;
mod highlight;
mod message;
mod query;
mod scope;
#[cfg(test)]
mod tests;
mod token;

pub use message::Words;
pub use query::{InvalidSearch, Search};
pub use scope::{BLOCK_WEEKS, block_lexeme, room_lexeme, store_lexeme, week_lexeme, week_of};
pub(crate) use token::{Kind as TokenKind, Token, tokenize_all};

/// The version of the lexemes. Increment it with every change to the lexemes of any text: stored lexemes of another
/// version are not found.
pub const VERSION: u32 = 1;
