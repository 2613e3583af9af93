//! A search as a client writes it: terms, `"phrases"`, `-not` and `or`.

use std::fmt::Write as _;

use super::{
    message::{PREFIX_MARK, PREFIXES},
    token::{Kind, tokenize},
};

/// The maximum number of terms of a search.
const MAX_TERMS: usize = 20;

/// The quotation marks around a phrase. Keyboards of phones write the curved ones.
const QUOTES: [char; 4] = ['"', '“', '”', '„'];

/// A parsed search: at least one alternative, each with at least one term that is not negated.
#[derive(Debug, Clone)]
pub struct Search {
    pub(super) alternatives: Vec<Vec<Term>>,
}

/// Words that must follow each other.
#[derive(Debug, Clone)]
pub(super) struct Term {
    pub(super) tokens: Vec<Wanted>,
    pub(super) is_negated: bool,
    is_phrase: bool,
}

/// A token to be found.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) is_joined: bool,
}

/// The reason why a search is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidSearch {
    /// An alternative has no word, or only negated ones.
    NoWord,
    /// Too many terms.
    TooManyTerms,
}

impl Search {
    /// Parses a search.
    pub fn parse(text: &str) -> Result<Self, InvalidSearch> {
        let mut alternatives = vec![Vec::new()];
        let mut count = 0;
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (part, after) = Part::first_of(rest);
            rest = after.trim_start();
            if part.is_or() {
                alternatives.push(Vec::new());
                continue;
            }
            let term = part.term();
            if term.tokens.is_empty() {
                continue;
            }
            count += 1;
            if count > MAX_TERMS {
                return Err(InvalidSearch::TooManyTerms);
            }
            if let Some(alternative) = alternatives.last_mut() {
                alternative.push(term);
            }
        }
        alternatives.retain(|terms| !terms.is_empty());
        let has_word = |terms: &Vec<Term>| terms.iter().any(|term| !term.is_negated);
        if alternatives.is_empty() || !alternatives.iter().all(has_word) {
            return Err(InvalidSearch::NoWord);
        }
        Ok(Self { alternatives })
    }

    /// Returns, for each alternative, the texts of `tsquery`s that a text must match. A text that matches all of them
    /// may still not match the search.
    pub fn required_terms(&self) -> Vec<Vec<String>> {
        let required =
            |terms: &Vec<Term>| terms.iter().filter(|term| !term.is_negated).flat_map(Term::required).collect();
        self.alternatives.iter().map(required).collect()
    }

    /// Returns the text of the `tsquery` that matches the lexemes of a text.
    pub fn tsquery(&self) -> String {
        let alternatives = self.alternatives.iter().map(|terms| {
            let terms: Vec<String> = terms.iter().map(Term::tsquery).collect();
            format!("({})", terms.join(" & "))
        });
        alternatives.collect::<Vec<_>>().join(" | ")
    }
}

/// A part of the text: a word or a phrase, possibly negated.
struct Part<'a> {
    text: &'a str,
    is_negated: bool,
    is_phrase: bool,
}

impl<'a> Part<'a> {
    /// Returns the first part of a text that begins with one, and the rest of the text.
    fn first_of(text: &'a str) -> (Self, &'a str) {
        let (is_negated, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        if let Some(phrase) = text.strip_prefix(QUOTES) {
            let (text, rest) = phrase.split_once(QUOTES).unwrap_or((phrase, ""));
            return (Self { text, is_negated, is_phrase: true }, rest);
        }
        let end = text.find(|character: char| character.is_whitespace() || QUOTES.contains(&character));
        let (text, rest) = text.split_at(end.unwrap_or(text.len()));
        (Self { text, is_negated, is_phrase: false }, rest)
    }

    fn is_or(&self) -> bool {
        !self.is_negated && !self.is_phrase && self.text.eq_ignore_ascii_case("or")
    }

    fn term(&self) -> Term {
        let mut tokens = Vec::new();
        tokenize(self.text, |token| {
            tokens.push(Wanted { kind: token.kind, text: token.text.to_owned(), is_joined: token.is_joined });
        });
        Term { tokens, is_negated: self.is_negated, is_phrase: self.is_phrase }
    }
}

impl Term {
    /// Returns the last token if it may be the beginning of a word only.
    pub(super) fn prefix(&self) -> Option<&str> {
        let last = self.tokens.last().filter(|last| last.kind == Kind::Word && !self.is_phrase)?;
        (last.text.chars().count() >= *PREFIXES.start()).then_some(&last.text)
    }

    /// Returns the texts of the `tsquery`s that each text with this term matches. The unfinished word of `mail.exam`
    /// may be in another text than the words before it.
    fn required(&self) -> Vec<String> {
        match self.tokens.split_last() {
            Some((last, before)) if !before.is_empty() && self.prefix().is_some() => {
                [before.to_vec(), vec![last.clone()]].map(|tokens| Self { tokens, ..*self }.tsquery()).into()
            }
            _ => vec![self.tsquery()],
        }
    }

    fn tsquery(&self) -> String {
        let negation = if self.is_negated { "!" } else { "" };
        let Some(prefix) = self.prefix() else { return format!("{negation}({})", self.chain("")) };
        if prefix.chars().count() > *PREFIXES.end() {
            return format!("{negation}({})", self.chain(":*"));
        }
        let mut beginning = quoted(&format!("{prefix}{PREFIX_MARK}"));
        let before = self.tokens.len() - 1;
        if before > 0 {
            // Beginnings of words have no position, so this one may stand anywhere.
            let before = Self { tokens: self.tokens[..before].to_vec(), ..*self };
            beginning = format!("{} & {beginning}", before.chain(""));
        }
        format!("{negation}({} | {beginning})", self.chain(""))
    }

    /// Joins the tokens by their distances. Neighbours of a dense script become pairs.
    fn chain(&self, suffix: &str) -> String {
        let mut chain = String::new();
        let mut former = 0;
        for (place, token) in self.tokens.iter().enumerate() {
            let is_dense = token.kind == Kind::Dense;
            let pair = self.tokens.get(place + 1).filter(|next| is_dense && next.is_joined);
            if pair.is_none() && is_dense && token.is_joined {
                // The second of the pair before.
                continue;
            }
            if !chain.is_empty() {
                let _ = write!(chain, " <{}> ", place - former);
            }
            former = place;
            let pair = pair.map_or("", |next| &next.text);
            chain.push_str(&quoted(&format!("{}{pair}", token.text)));
        }
        chain + suffix
    }
}

/// Quotes a lexeme.
fn quoted(lexeme: &str) -> String {
    format!("'{}'", lexeme.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tsquery(text: &str) -> String {
        Search::parse(text).unwrap().tsquery()
    }

    #[test]
    fn words_are_found_by_their_beginning_and_phrases_whole() {
        assert_eq!(tsquery("Pizza"), "(('pizza' | 'pizza*'))");
        assert_eq!(tsquery("go to"), "(('go') & ('to'))");
        assert_eq!(tsquery("\"spring rolls\""), "(('spring' <1> 'rolls'))");
        assert_eq!(tsquery("“spring rolls”"), tsquery("\"spring rolls\""));
        assert_eq!(tsquery("Donaudampfschiff"), "(('donaudampfschiff':*))");
        assert_eq!(tsquery("node.js"), "(('node' <1> 'js'))");
        assert_eq!(tsquery("mail.exam"), "(('mail' <1> 'exam' | 'mail' & 'exam*'))");
    }

    #[test]
    fn dense_scripts_are_found_by_pairs() {
        assert_eq!(tsquery("피"), "(('피'))");
        assert_eq!(tsquery("피자"), "(('피자'))");
        assert_eq!(tsquery("テスト"), "(('テス' <1> 'スト'))");
        assert_eq!(tsquery("콜라2개"), "(('콜라' <2> '2' <1> '개'))");
        assert_eq!(tsquery("🇰🇷"), "(('🇰' <1> '🇷'))");
        assert_eq!(tsquery("\"上 海\""), "(('上' <1> '海'))");
    }

    #[test]
    fn alternatives_and_negations() {
        assert_eq!(tsquery("a b or -c d"), "(('a') & ('b')) | (!('c') & ('d'))");
        assert_eq!(tsquery("a \"or\" b"), "(('a') & ('or') & ('b'))");
        assert_eq!(tsquery("or a OR or b or"), "(('a')) | (('b'))");
        assert_eq!(tsquery("-\"b c\"a - !"), "(!('b' <1> 'c') & ('a'))");
    }

    #[test]
    fn terms_that_are_not_negated_are_required() {
        let required = Search::parse("pizza \"to go\" -a or 피자").unwrap().required_terms();
        assert_eq!(required, [vec!["('pizza' | 'pizza*')", "('to' <1> 'go')"], vec!["('피자')"]]);
        let joined = Search::parse("mail.exam").unwrap().required_terms();
        assert_eq!(joined, [["('mail' | 'mail*')", "('exam' | 'exam*')"]]);
    }

    #[test]
    fn a_search_needs_a_word_in_each_alternative_and_few_terms() {
        for text in ["", " ", "-pizza", "!?", "\"", "\"\"", "-a or b", "b or -a", "or", "\u{200b}"] {
            assert_eq!(Search::parse(text).err(), Some(InvalidSearch::NoWord), "{text}");
        }
        assert!(Search::parse(&"a ".repeat(20)).is_ok());
        assert_eq!(Search::parse(&"a ".repeat(21)).err(), Some(InvalidSearch::TooManyTerms));
    }
}
