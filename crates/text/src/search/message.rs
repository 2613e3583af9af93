//! The lexemes of a message, of a room and of a store.

use std::fmt::{self, Display};

use super::{
    scope::{block_lexeme, room_lexeme, store_lexeme, week_lexeme, week_of},
    token::{Kind, Token, tokenize},
};

/// The lengths of beginnings of words that have a lexeme of their own, in characters.
pub(super) const PREFIXES: std::ops::RangeInclusive<usize> = 3..=12;

/// Ends the lexeme of a word's beginning, as no word ends.
pub(super) const PREFIX_MARK: char = '*';

/// The maximum number of positions that are kept of a lexeme: the limit of PostgreSQL.
const MAX_POSITIONS: usize = 255;

/// The lexemes of a text: words, beginnings of words, and those that limit a search.
#[derive(Debug, Default)]
pub struct Words {
    text: String,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    start: u32,
    end: u32,
    /// 0 for a lexeme without positions.
    position: u16,
}

impl Words {
    /// Makes the lexemes of a message that was posted in a room at a time, in seconds since 1970.
    pub fn of_message(body: &str, room_id: &impl Display, posted_at: i64) -> Self {
        let week = week_of(posted_at);
        Self::of(body, &[room_lexeme(room_id), week_lexeme(week), block_lexeme(week)])
    }

    /// Makes the lexemes of a room with this title that orders from a store.
    pub fn of_room(title: &str, store_id: &impl Display) -> Self {
        Self::of(title, &[store_lexeme(store_id)])
    }

    /// Makes the lexemes of a store with this name.
    pub fn of_store(name: &str) -> Self {
        Self::of(name, &[])
    }

    /// Makes the lexemes of a text, and adds those that are no words.
    pub(super) fn of(text: &str, others: &[String]) -> Self {
        let mut words = Self { text: String::with_capacity(6 * text.len()), entries: Vec::with_capacity(text.len()) };
        for other in others {
            words.push(&[other], 0);
        }
        let mut former = String::new();
        tokenize(text, |Token { kind, text, position, is_joined, .. }| {
            words.push(&[text], position);
            match kind {
                Kind::Word => words.push_prefixes(text),
                // At the position of its first character.
                Kind::Dense if is_joined => words.push(&[&former, text], position - 1),
                Kind::Dense | Kind::Symbol => {}
            }
            former.clear();
            former.push_str(text);
        });
        words.sort();
        words
    }

    fn push_prefixes(&mut self, word: &str) {
        let ends = word.char_indices().map(|(end, _)| end).enumerate().skip(*PREFIXES.start());
        for (_, end) in ends.take_while(|(length, _)| PREFIXES.contains(length)) {
            let mut mark = [0; 4];
            self.push(&[&word[..end], PREFIX_MARK.encode_utf8(&mut mark)], 0);
        }
    }

    fn push(&mut self, parts: &[&str], position: u16) {
        let start = self.length();
        for part in parts {
            self.text.push_str(part);
        }
        self.entries.push(Entry { start, end: self.length(), position });
    }

    fn length(&self) -> u32 {
        // Tokens are bounded in number and length.
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }

    fn sort(&mut self) {
        let Self { text, entries } = self;
        entries.sort_unstable_by(|one, other| {
            one.lexeme(text).cmp(other.lexeme(text)).then(one.position.cmp(&other.position))
        });
    }

    /// Passes each lexeme once, in the order of its bytes, with its positions in ascending order.
    pub fn for_each(&self, mut each: impl FnMut(&str, &[u16])) {
        let mut positions = Vec::new();
        for same in self.entries.chunk_by(|one, other| one.lexeme(&self.text) == other.lexeme(&self.text)) {
            positions.clear();
            positions.extend(same.iter().map(|entry| entry.position).filter(|position| *position > 0));
            positions.truncate(MAX_POSITIONS);
            each(same[0].lexeme(&self.text), &positions);
        }
    }
}

/// Writes the text form of a `tsvector`.
impl Display for Words {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut result = Ok(());
        self.for_each(|lexeme, positions| {
            result = result.and_then(|()| write!(to, "'{lexeme}'"));
            for (place, position) in positions.iter().enumerate() {
                let before = if place == 0 { ':' } else { ',' };
                result = result.and_then(|()| write!(to, "{before}{position}"));
            }
            result = result.and_then(|()| write!(to, " "));
        });
        result
    }
}

impl Entry {
    fn lexeme(self, text: &str) -> &str {
        &text[self.start as usize..self.end as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexemes(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        Words::of(text, &[]).for_each(|lexeme, _| all.push(lexeme.to_owned()));
        all
    }

    #[test]
    fn words_have_their_beginnings_and_dense_scripts_have_pairs() {
        assert_eq!(lexemes("Pizza, to go"), ["go", "piz*", "pizz*", "pizza", "to"]);
        assert_eq!(lexemes("피자를 上"), ["上", "를", "자", "자를", "피", "피자"]);
        assert_eq!(lexemes("🍕🍕🍕 a🍕"), ["a", "🍕"]);
        assert_eq!(lexemes("Donaudampfschifffahrt").len(), 11);
        assert!(lexemes("[!]").is_empty());
    }

    #[test]
    fn positions_ascend() {
        let words = Words::of("a b a 上海上海", &["r:north.1".to_owned()]);
        let mut all = Vec::new();
        words.for_each(|lexeme, positions| all.push((lexeme.to_owned(), positions.to_vec())));
        let all: Vec<(&str, &[u16])> =
            all.iter().map(|(lexeme, positions)| (lexeme.as_str(), &positions[..])).collect();
        assert_eq!(
            all,
            [
                ("a", &[1, 3][..]),
                ("b", &[2]),
                ("r:north.1", &[]),
                ("上", &[4, 6]),
                ("上海", &[4, 6]),
                ("海", &[5, 7]),
                ("海上", &[5]),
            ]
        );
    }

    #[test]
    fn the_longest_texts_stay_within_the_limits_of_the_database() {
        let word: String = ('a'..='z').cycle().take(39).collect();
        let texts = [
            "🍕".repeat(4_000),
            (0..4_000).filter_map(|number| char::from_u32(0x4e00 + number)).collect(),
            (0..4_000).fold(String::new(), |text, number| text + &format!("{number}{word} ")),
        ];
        for text in texts {
            let mut bytes = 0;
            Words::of(&text, &[]).for_each(|lexeme, positions| {
                assert!(lexeme.len() < 2_048 && positions.len() <= 255, "{lexeme}");
                assert!(positions.is_sorted() && positions.iter().all(|position| *position <= 16_383));
                bytes += lexeme.len() + 2 + 2 * positions.len();
            });
            assert!(bytes < 1_000_000, "{bytes}");
        }
    }
}
