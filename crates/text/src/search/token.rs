//! The tokens of a text: words, single characters of scripts without spaces, and symbols.

use std::ops::Range;

use icu_properties::{
    CodePointMapData,
    props::{GeneralCategory, GeneralCategoryGroup, LineBreak},
};

use super::fold::fold;

/// The maximum number of tokens of a text. Later ones are not found.
const MAX_TOKENS: u16 = 4096;

/// The maximum number of characters of a word. Longer words are found by their beginning.
const MAX_WORD: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A run of letters, marks and digits.
    Word,
    /// A character of a script in which words are not, or not only, separated by spaces.
    Dense,
    /// An emoji, or another symbol.
    Symbol,
}

/// A token of a folded text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    /// 1, 2, 3 … in the text.
    pub(crate) position: u16,
    /// True if it is of a dense script and directly follows another one.
    pub(crate) is_joined: bool,
    /// Its bytes of the original text.
    pub(crate) span: Range<usize>,
}

/// Passes the first tokens of a text in their order, as many as are searched for.
pub(crate) fn tokenize(text: &str, each: impl FnMut(Token<'_>)) {
    tokenize_up_to(MAX_TOKENS, text, each);
}

/// Passes all tokens of a text in their order. A text of 16 KiB has fewer than 65,536.
pub(crate) fn tokenize_all(text: &str, each: impl FnMut(Token<'_>)) {
    tokenize_up_to(u16::MAX, text, each);
}

fn tokenize_up_to(limit: u16, text: &str, each: impl FnMut(Token<'_>)) {
    let word = String::new();
    let mut tokenizer = Tokenizer { word, length: 0, span: 0..0, position: 0, limit, last: None, each };
    fold(text, |character, span| tokenizer.add(character, span));
    tokenizer.end_word();
}

struct Tokenizer<F> {
    word: String,
    length: usize,
    span: Range<usize>,
    position: u16,
    /// The number of tokens after which no further ones are passed.
    limit: u16,
    /// The kind of the last character.
    last: Option<Kind>,
    each: F,
}

impl<F: FnMut(Token<'_>)> Tokenizer<F> {
    fn add(&mut self, character: char, span: Range<usize>) {
        let kind = kind(character);
        if kind == Some(Kind::Word) {
            if self.length == 0 {
                self.span.start = span.start;
            }
            self.span.end = span.end;
            if self.length < MAX_WORD {
                self.word.push(character);
            }
            self.length += 1;
        } else {
            self.end_word();
            if let Some(kind) = kind {
                self.pass(kind, character.encode_utf8(&mut [0; 4]), span);
            }
        }
        self.last = kind;
    }

    fn end_word(&mut self) {
        if self.length > 0 {
            let word = std::mem::take(&mut self.word);
            self.pass(Kind::Word, &word, self.span.clone());
            self.word = word;
            self.word.clear();
            self.length = 0;
        }
    }

    fn pass(&mut self, kind: Kind, text: &str, span: Range<usize>) {
        if self.position < self.limit {
            self.position += 1;
            let is_joined = kind == Kind::Dense && self.last == Some(kind);
            (self.each)(Token { kind, text, position: self.position, is_joined, span });
        }
    }
}

/// Returns the kind of token that a character belongs to. `None` for separators.
fn kind(character: char) -> Option<Kind> {
    if character.is_ascii_alphanumeric() {
        return Some(Kind::Word);
    }
    let category = CodePointMapData::<GeneralCategory>::new().get(character);
    let is_in = |group: GeneralCategoryGroup| group.contains(category);
    if is_in(GeneralCategoryGroup::Letter)
        || is_in(GeneralCategoryGroup::Number)
        || matches!(category, GeneralCategory::NonspacingMark | GeneralCategory::SpacingMark)
    {
        return Some(if is_dense(character) { Kind::Dense } else { Kind::Word });
    }
    // As in C#.
    let is_symbol = character == '#' || is_in(GeneralCategoryGroup::Symbol);
    (is_symbol && category != GeneralCategory::ModifierSymbol).then_some(Kind::Symbol)
}

/// Returns true for letters between which a line may break: those of Chinese, Japanese, Korean and of South-East Asia.
fn is_dense(letter: char) -> bool {
    matches!(
        CodePointMapData::<LineBreak>::new().get(letter),
        LineBreak::Ideographic
            | LineBreak::ConditionalJapaneseStarter
            | LineBreak::Nonstarter
            | LineBreak::ComplexContext
            | LineBreak::H2
            | LineBreak::H3
            | LineBreak::JL
            | LineBreak::JV
            | LineBreak::JT
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<(Kind, String, bool)> {
        let mut tokens = Vec::new();
        tokenize(text, |token| {
            assert_eq!(usize::from(token.position), tokens.len() + 1);
            tokens.push((token.kind, token.text.to_owned(), token.is_joined));
        });
        tokens
    }

    fn texts(text: &str) -> Vec<String> {
        tokens(text).into_iter().map(|(_, text, _)| text).collect()
    }

    #[test]
    fn words_end_at_punctuation_and_at_other_kinds() {
        assert_eq!(
            texts("Ann@mail.example.org, node.js 1.2.3"),
            ["ann", "mail", "example", "org", "node", "js", "1", "2", "3"]
        );
        assert_eq!(texts("C++ C# 20€"), ["c", "+", "+", "c", "#", "20", "€"]);
        assert_eq!(texts("콜라2개 テスト 上海"), ["콜", "라", "2", "개", "テ", "ス", "ト", "上", "海"]);
        assert_eq!(texts("สวัสดี").len(), 6);
        assert_eq!(texts("ラーメン 人々"), ["ラ", "ー", "メ", "ン", "人", "々"]);
        assert_eq!(texts("नमस्ते"), ["नमस्ते"]);
        assert_eq!(texts("👩🏽\u{200d}💻👍🏿🇰🇷1\u{fe0f}\u{20e3}"), ["👩", "💻", "👍", "🇰", "🇷", "1"]);
        assert!(texts(" .,!?\u{200d}\u{fe0f}\u{3164}").is_empty());
    }

    #[test]
    fn only_neighbours_are_joined() {
        let joined = |text| tokens(text).into_iter().map(|(_, _, joined)| joined).collect::<Vec<_>>();
        assert_eq!(joined("上海 人"), [false, true, false]);
        assert_eq!(joined("🍕🍕"), [false, false]);
        assert_eq!(joined("上a海"), [false, false, false]);
    }

    #[test]
    fn a_token_has_its_place_in_the_original() {
        let text = "Zum Café, 上海!";
        let mut spans = Vec::new();
        tokenize(text, |token| spans.push(&text[token.span.clone()]));
        assert_eq!(spans, ["Zum", "Café", "上", "海"]);
    }

    #[test]
    fn long_texts_and_words_are_cut() {
        assert_eq!(texts(&"a".repeat(100_000)), ["a".repeat(MAX_WORD)]);
        assert_eq!(texts(&"上".repeat(10_000)).len(), usize::from(MAX_TOKENS));
    }
}
