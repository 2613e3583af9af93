//! Words and links that texts must not have. Spellings that look alike are one word.

mod host;
mod word;

use std::{collections::HashMap, ops::Range};

use unicode_segmentation::UnicodeSegmentation;

use host::normal_host;
use word::{Key, keys, merged, spelled};

/// The character that stands for a masked one.
const MASK: &str = "*";

/// The mark at the end of a pattern that also matches longer words.
const PREFIX_MARK: char = '*';

/// The consequence of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// The place is masked.
    Mask,
    /// The text is held back.
    Hold,
    /// The text is refused.
    Refuse,
}

/// A pattern to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// Words that follow each other. The last one may be the beginning of a longer word.
    Words { keys: Vec<String>, is_prefix: bool },
    /// A host and the hosts below it.
    Host(String),
}

impl Pattern {
    /// Returns the pattern of a word, or of words that follow each other. With an asterisk at its end it also matches
    /// longer words. None if there is no word.
    pub fn words(text: &str) -> Option<Self> {
        let text = text.trim();
        let (text, is_prefix) = text.strip_suffix(PREFIX_MARK).map_or((text, false), |text| (text, true));
        let keys: Vec<String> = keys(text).into_iter().map(|key| key.text).collect();
        (!keys.is_empty()).then_some(Self(Kind::Words { keys, is_prefix }))
    }

    /// Returns the pattern of links to a host and to the hosts below it. None if it is not the name of a host.
    pub fn host(text: &str) -> Option<Self> {
        normal_host(text.trim()).map(|host| Self(Kind::Host(host)))
    }
}

/// The result of looking for patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was found.
    Pass,
    /// The text with all found places masked.
    Masked(String),
    /// The text must be held back.
    Held,
    /// The text must be refused.
    Refused,
}

/// Patterns, prepared for looking for all of them at once.
#[derive(Debug, Default)]
pub struct Matcher {
    /// The words by their first key.
    phrases: HashMap<String, Vec<Phrase>>,
    /// The patterns of a single beginning of a word.
    beginnings: HashMap<String, Action>,
    hosts: HashMap<String, Action>,
    /// The length in bytes of the longest single word.
    longest: usize,
}

#[derive(Debug)]
struct Phrase {
    rest: Vec<String>,
    is_prefix: bool,
    action: Action,
}

impl Matcher {
    /// Prepares patterns. Of equal ones, the most severe action counts.
    pub fn new(patterns: impl IntoIterator<Item = (Pattern, Action)>) -> Self {
        let mut matcher = Self::default();
        let keep = |found: &mut Action, action: Action| *found = action.max(*found);
        for (Pattern(kind), action) in patterns {
            // Words that are written together, or spelled in single letters, are one word.
            if let Kind::Words { keys, is_prefix } = &kind
                && keys.len() > 1
            {
                let phrase = Phrase { rest: Vec::new(), is_prefix: false, action };
                if *is_prefix {
                    keep(matcher.beginnings.entry(keys.concat()).or_insert(action), action);
                } else {
                    matcher.phrases.entry(keys.concat()).or_default().push(phrase);
                }
            }
            match kind {
                Kind::Host(host) => keep(matcher.hosts.entry(host).or_insert(action), action),
                Kind::Words { mut keys, is_prefix: true } if keys.len() == 1 => {
                    keep(matcher.beginnings.entry(keys.remove(0)).or_insert(action), action);
                }
                Kind::Words { mut keys, is_prefix } => {
                    let rest = keys.split_off(1);
                    let first = keys.pop().unwrap_or_default();
                    matcher.phrases.entry(first).or_default().push(Phrase { rest, is_prefix, action });
                }
            }
        }
        let words = matcher.phrases.iter().filter(|(_, phrases)| phrases.iter().any(|phrase| phrase.rest.is_empty()));
        let lengths = words.map(|(word, _)| word).chain(matcher.beginnings.keys()).map(String::len);
        matcher.longest = lengths.max().unwrap_or_default();
        matcher
    }

    /// Returns true if there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.phrases.is_empty() && self.beginnings.is_empty() && self.hosts.is_empty()
    }

    /// Looks for all patterns in a text.
    pub fn check(&self, text: &str) -> Verdict {
        if self.is_empty() {
            return Verdict::Pass;
        }
        let mut found = Vec::new();
        if !self.phrases.is_empty() || !self.beginnings.is_empty() {
            let keys = keys(text);
            self.find_words(&keys, &mut found);
            // Letters with separators between them are a word as well.
            if let Some(merged) = merged(&keys) {
                self.find_words(&merged, &mut found);
            }
            spelled(&keys, self.longest, |word, span| self.find_spelled(word, &span, &mut found));
        }
        if !self.hosts.is_empty() {
            self.find_hosts(text, &mut found);
        }
        match found.iter().map(|(_, action)| *action).max() {
            None => Verdict::Pass,
            Some(Action::Mask) => Verdict::Masked(masked(text, found)),
            Some(Action::Hold) => Verdict::Held,
            Some(Action::Refuse) => Verdict::Refused,
        }
    }

    fn find_words(&self, keys: &[Key], found: &mut Vec<(Range<usize>, Action)>) {
        for (at, key) in keys.iter().enumerate() {
            self.find_at(key, keys.get(at + 1..).unwrap_or_default(), found);
        }
    }

    fn find_at(&self, first: &Key, next: &[Key], found: &mut Vec<(Range<usize>, Action)>) {
        if !self.beginnings.is_empty() {
            for (end, letter) in first.text.char_indices() {
                let beginning = first.text.get(..end + letter.len_utf8()).unwrap_or_default();
                found.extend(self.beginnings.get(beginning).map(|action| (first.span.clone(), *action)));
            }
        }
        for Phrase { rest, is_prefix, action } in self.phrases.get(&first.text).into_iter().flatten() {
            let is_found = rest.len() <= next.len()
                && rest.iter().zip(next).enumerate().all(|(at, (wanted, key))| {
                    key.text == *wanted || *is_prefix && at + 1 == rest.len() && key.text.starts_with(wanted)
                });
            if is_found {
                let end = rest.len().checked_sub(1).and_then(|last| next.get(last)).unwrap_or(first).span.end;
                found.push((first.span.start..end, *action));
            }
        }
    }

    fn find_spelled(&self, word: &str, span: &Range<usize>, found: &mut Vec<(Range<usize>, Action)>) {
        let phrases = self.phrases.get(word).into_iter().flatten().filter(|phrase| phrase.rest.is_empty());
        let actions = phrases.map(|phrase| phrase.action).chain(self.beginnings.get(word).copied());
        found.extend(actions.map(|action| (span.clone(), action)));
    }

    fn find_hosts(&self, text: &str, found: &mut Vec<(Range<usize>, Action)>) {
        for (host, span) in host::hosts(text) {
            let mut name = host.as_str();
            loop {
                if let Some(action) = self.hosts.get(name) {
                    found.push((span.clone(), *action));
                }
                match name.split_once('.') {
                    Some((_, above)) => name = above,
                    None => break,
                }
            }
        }
    }
}

/// Returns the text with these places masked: one character for each grapheme cluster that has a part in them.
fn masked(text: &str, mut found: Vec<(Range<usize>, Action)>) -> String {
    found.sort_by_key(|(span, _)| span.start);
    let (mut result, mut found) = (String::with_capacity(text.len()), found.into_iter().peekable());
    let mut masked_to = 0;
    for (start, cluster) in text.grapheme_indices(true) {
        while let Some((span, _)) = found.next_if(|(span, _)| span.start < start + cluster.len()) {
            masked_to = span.end.max(masked_to);
        }
        result.push_str(if start < masked_to { MASK } else { cluster });
    }
    result
}

#[cfg(test)]
mod tests;
