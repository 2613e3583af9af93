//! Mentions of users in a text.
//!
//! A mention is `@` (or the full-width `＠`) and a user id, in any case. It does not count inside code (between runs of
//! backticks), links and e-mail addresses, after a letter or digit, and before another `@`, as in `@user@host`.

use std::ops::Range;

use linkify::LinkFinder;

/// The name that stands for all members.
const ALL: &str = "all";

/// The longest user id.
const MAX_NAME: usize = 40;

/// A mention in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The place in the text, in bytes, from the at sign to the end of the name.
    pub span: Range<usize>,
    /// The mentioned name in lower case: a user id, or `all`.
    pub name: String,
}

impl Mention {
    /// Returns the names that may be meant, the most likely first: `@ann-` may be `ann` and a dash.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        [self.name.as_str(), self.trimmed()].into_iter().filter(|name| !name.is_empty())
    }

    /// Returns true if all members are meant.
    pub fn is_all(&self) -> bool {
        self.trimmed() == ALL
    }

    fn trimmed(&self) -> &str {
        self.name.trim_end_matches(['-', '_'])
    }
}

/// The maximum length of a word with a mention, in bytes.
const MAX_WORD: usize = 512;

/// Returns the words of a text that have an at sign, with their starts. Long ones are divided at punctuation that is
/// not ASCII: Japanese and Chinese sentences have no spaces.
fn words_with_at_sign(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let words = with_starts(0, text.split_inclusive(char::is_whitespace)).flat_map(|(start, word)| {
        let is_end = |c: char| word.len() > MAX_WORD && !c.is_ascii() && !c.is_alphanumeric() && !is_at_sign(c);
        with_starts(start, word.split_inclusive(is_end))
    });
    words.map(|(start, word)| (start, word.trim_end())).filter(|(_, word)| word.contains(is_at_sign))
}

/// Adds to the parts of a text the places where they start.
fn with_starts<'a>(start: usize, parts: impl Iterator<Item = &'a str>) -> impl Iterator<Item = (usize, &'a str)> {
    parts.scan(start, |next, part| Some((std::mem::replace(next, *next + part.len()), part)))
}

/// Returns the mentions in a text, in order.
pub fn find(text: &str) -> Vec<Mention> {
    if !text.contains(is_at_sign) {
        return Vec::new();
    }
    let mut excluded = code(text);
    let mut finder = LinkFinder::new();
    finder.url_must_have_scheme(false);
    for (start, word) in words_with_at_sign(text) {
        // A long word is not worth the quadratic time of the search.
        if word.len() > MAX_WORD {
            excluded.push(start..start + word.len());
        } else {
            excluded.extend(finder.links(word).map(|link| start + link.start()..start + link.end()));
        }
    }
    let mut mentions = Vec::new();
    let mut before: Option<char> = None;
    for (start, character) in text.char_indices() {
        let follows_word =
            before.replace(character).is_some_and(|before| before.is_alphanumeric() || is_at_sign(before));
        if !is_at_sign(character) || follows_word || excluded.iter().any(|span| span.contains(&start)) {
            continue;
        }
        let rest = text.get(start + character.len_utf8()..).unwrap_or_default();
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').unwrap_or(rest.len());
        let (name, after) = rest.split_at(length);
        let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.len() <= MAX_NAME;
        if is_name && !after.starts_with(is_at_sign) {
            let span = start..start + character.len_utf8() + length;
            mentions.push(Mention { span, name: name.to_ascii_lowercase() });
        }
    }
    mentions
}

fn is_at_sign(character: char) -> bool {
    matches!(character, '@' | '＠')
}

/// Returns the places of code: from a run of backticks to the next run of the same length. An unclosed run of three or
/// more extends to the end of the text.
fn code(text: &str) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, _) in text.match_indices('`') {
        match runs.last_mut() {
            Some(run) if run.end == at => run.end += 1,
            _ => runs.push(at..at + 1),
        }
    }
    let mut places = Vec::new();
    let mut rest = runs.as_slice();
    while let Some((open, later)) = rest.split_first() {
        let close = later.iter().position(|run| run.len() == open.len());
        rest = match close.and_then(|close| Some((later.get(close)?, later.get(close + 1..)?))) {
            Some((close, after)) => {
                places.push(open.start..close.end);
                after
            }
            None if open.len() >= 3 => {
                places.push(open.start..text.len());
                &[]
            }
            None => later,
        };
    }
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(text: &str) -> Vec<String> {
        find(text).into_iter().map(|mention| mention.name).collect()
    }

    #[test]
    fn an_at_sign_before_a_name_is_a_mention() {
        assert_eq!(names("@ann, look: (@bob_1) and @Cleo!"), ["ann", "bob_1", "cleo"]);
        assert_eq!(names("＠ann @ALL"), ["ann", "all"]);
        assert_eq!(names("ok.@ann"), ["ann"]);
        assert!(names("@ nobody, @-x, é@y, @é").is_empty());
        let (long, longest) = (format!("@{}", "x".repeat(41)), format!("@{}", "x".repeat(40)));
        assert!(names(&long).is_empty() && names(&longest).len() == 1);
        let dashed = find("@dan-- hm").remove(0);
        assert_eq!(dashed.names().collect::<Vec<_>>(), ["dan--", "dan"]);
    }

    #[test]
    fn long_texts_without_spaces_have_mentions() {
        for sentence in ["今日は寒いので温かいものを食べたいです。", "점심으로_무엇을_먹을까요？", "🍕"]
        {
            let text = format!("{}@ann、{}＠bob", sentence.repeat(200), sentence.repeat(200));
            assert_eq!(names(&text), ["ann", "bob"], "{sentence}");
        }
        let link = format!("https://example.org/{}@ann", "a/".repeat(300));
        assert!(names(&link).is_empty());
        assert!(names(&format!("{link}。")).is_empty());
    }

    #[test]
    fn addresses_and_links_contain_no_mentions() {
        for text in [
            "mail ann@example.org",
            "ann.b@example.org",
            "@ann@example.org",
            "@@ann",
            "see https://example.org/@ann",
            "see example.org/@ann/1",
            "ftp://x.org/?to=@ann",
        ] {
            assert!(names(text).is_empty(), "{text}");
        }
        assert_eq!(names("https://example.org/@ann @bob"), ["bob"]);
    }

    #[test]
    fn code_contains_no_mentions() {
        assert_eq!(names("`@ann` @bob ``a ` @ann`` @cho"), ["bob", "cho"]);
        assert_eq!(names("```\n@ann\n``` @bob"), ["bob"]);
        assert!(names("```\n@ann").is_empty());
        assert_eq!(names("a ` lone backtick @ann"), ["ann"]);
    }

    proptest! {
        #[test]
        fn spans_are_ordered_and_hold_the_names(text in r"(@|＠|`|[a-z.:/ -]|\PC|https://a.b/){0,60}") {
            let mut end = 0;
            for mention in find(&text) {
                prop_assert!(end <= mention.span.start);
                let place = text.get(mention.span.clone()).unwrap_or_default();
                prop_assert_eq!(place.trim_start_matches(is_at_sign).to_ascii_lowercase(), mention.name);
                end = mention.span.end;
            }
        }
    }
}
