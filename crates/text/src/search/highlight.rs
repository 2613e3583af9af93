//! The places of a message where a search has found its terms.

use std::ops::Range;

use super::{
    query::{Search, Term, Wanted},
    token::tokenize,
};

/// The maximum number of places of a message.
const MAX_HIGHLIGHTS: usize = 100;

/// A token of a message with its bytes.
struct Found {
    token: Wanted,
    span: Range<usize>,
}

impl Search {
    /// Returns the places where terms occur: begin and end in UTF-16 code units, ascending and without overlaps.
    pub fn highlights(&self, text: &str) -> Vec<[u32; 2]> {
        let mut found = Vec::new();
        tokenize(text, |token| {
            let wanted = Wanted { kind: token.kind, text: token.text.to_owned(), is_joined: token.is_joined };
            found.push(Found { token: wanted, span: token.span });
        });
        let mut spans: Vec<Range<usize>> = Vec::new();
        for term in self.alternatives.iter().flatten().filter(|term| !term.is_negated) {
            let windows = found.windows(term.tokens.len()).filter(|window| term.is_at(window));
            spans.extend(windows.filter_map(|window| Some(window.first()?.span.start..window.last()?.span.end)));
        }
        spans.sort_unstable_by_key(|span| (span.start, span.end));
        spans.dedup_by(|next, former| {
            let overlaps = next.start <= former.end;
            if overlaps {
                former.end = former.end.max(next.end);
            }
            overlaps
        });
        spans.truncate(MAX_HIGHLIGHTS);
        in_utf16(text, &spans)
    }
}

impl Term {
    /// Returns true if this is the text of the tokens.
    fn is_at(&self, found: &[Found]) -> bool {
        let before = self.tokens.len() - 1;
        let is_equal = |(place, (wanted, found)): (usize, (&Wanted, &Found))| {
            let is_last_prefix = place == before && self.prefix().is_some();
            let is_text =
                wanted.text == found.token.text || is_last_prefix && found.token.text.starts_with(&wanted.text);
            is_text && wanted.kind == found.token.kind && (!wanted.is_joined || found.token.is_joined)
        };
        self.tokens.iter().zip(found).enumerate().all(is_equal)
    }
}

fn in_utf16(text: &str, spans: &[Range<usize>]) -> Vec<[u32; 2]> {
    let (mut bytes, mut units) = (0, 0);
    let mut to_units = |end: usize| {
        units += text[bytes..end].encode_utf16().count();
        bytes = end;
        u32::try_from(units).unwrap_or(u32::MAX)
    };
    spans.iter().map(|span| [to_units(span.start), to_units(span.end)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn highlighted(query: &str, text: &str) -> Vec<String> {
        let units: Vec<u16> = text.encode_utf16().collect();
        let places = Search::parse(query).unwrap().highlights(text);
        places.iter().map(|[from, to]| String::from_utf16(&units[*from as usize..*to as usize]).unwrap()).collect()
    }

    #[test]
    fn terms_are_highlighted_in_the_original() {
        assert_eq!(highlighted("cafe", "🍕 im CAFÉ, Cafe\u{301}teria"), ["CAFÉ", "Cafe\u{301}teria"]);
        assert_eq!(highlighted("피자", "치즈피자를 시켰어요"), ["피자"]);
        assert_eq!(highlighted("C++ or 🍕", "c++ + 🍕🍕"), ["c++", "🍕🍕"]);
        assert_eq!(highlighted("\"spring rolls\" -b", "Spring: rolls, rolls b"), ["Spring: rolls"]);
        assert_eq!(highlighted("example", "ann@mail.example.org"), ["example"]);
        assert!(highlighted("\"roll\"", "rolls").is_empty());
    }

    #[test]
    fn places_are_counted_in_utf16_and_bounded() {
        assert_eq!(Search::parse("b").unwrap().highlights("🍕é b"), [[4, 5]]);
        assert_eq!(Search::parse("b").unwrap().highlights(&"b ".repeat(1_000)).len(), MAX_HIGHLIGHTS);
    }
}
