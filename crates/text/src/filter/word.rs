//! The words of a text in a form in which words that look alike are equal.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;

use crate::{
    nickname::skeleton_v2,
    search::{Token, TokenKind, tokenize_all},
};

/// A word in the form in which it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) text: String,
    /// Its bytes of the text.
    pub(super) span: Range<usize>,
    /// True for a word of one letter, which may be a part of a spelled one.
    is_letter: bool,
}

/// Returns the words of a text, in order.
pub(super) fn keys(text: &str) -> Vec<Key> {
    let mut keys = Vec::new();
    tokenize_all(text, |Token { kind, text, span, .. }| {
        let key = key(text);
        if !key.is_empty() {
            let is_letter = kind == TokenKind::Word && text.chars().nth(1).is_none();
            keys.push(Key { text: key, span, is_letter });
        }
    });
    keys
}

/// Returns the letters and digits of a word by their shapes: `i`, `l` and `1` are one, `o` and `0` are one.
fn key(word: &str) -> String {
    let shape = |c| if c == 'i' { 'l' } else { c };
    let skeleton = skeleton_v2(word);
    let letters: String = skeleton.nfd().filter(|c| c.is_alphanumeric()).map(shape).collect();
    // A symbol has no letters.
    if letters.is_empty() { skeleton } else { letters }
}

/// The least number of letters of a spelled word that is looked for among other letters.
const MIN_SPELLED: usize = 3;

/// Passes the words that are spelled in runs of single letters, of at most `longest` bytes: in `a b a d`, `bad` among
/// others.
pub(super) fn spelled(keys: &[Key], longest: usize, mut each: impl FnMut(&str, Range<usize>)) {
    for run in keys.chunk_by(|one, other| one.is_letter && other.is_letter) {
        for (start, first) in run.iter().enumerate() {
            let mut text = String::new();
            for (letters, key) in run.iter().skip(start).enumerate() {
                text.push_str(&key.text);
                if text.len() > longest {
                    break;
                }
                if letters + 1 >= MIN_SPELLED {
                    each(&text, first.span.start..key.span.end);
                }
            }
        }
    }
}

/// Returns the words with each run of single letters as one word: `b a d` is `bad`. None if there are no runs.
pub(super) fn merged(keys: &[Key]) -> Option<Vec<Key>> {
    let merged: Vec<Key> = keys
        .chunk_by(|one, other| one.is_letter && other.is_letter)
        .filter_map(|run| {
            let (first, last) = (run.first()?, run.last()?);
            let text = run.iter().map(|key| key.text.as_str()).collect();
            Some(Key { text, span: first.span.start..last.span.end, is_letter: first.is_letter })
        })
        .collect();
    (merged.len() < keys.len()).then_some(merged)
}
