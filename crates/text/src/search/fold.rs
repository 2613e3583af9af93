//! The folding of texts: compatibility forms, case, diacritics and invisible characters make no difference.

use std::{iter::once, ops::Range};

use icu_properties::{CodePointSetData, props::DefaultIgnorableCodePoint};
use unicode_normalization::{
    IsNormalized, UnicodeNormalization,
    char::{canonical_combining_class, decompose_compatible},
    is_nfc_quick,
};

/// The letter that stretches Arabic words.
const TATWEEL: char = '\u{640}';

/// Passes every character of the folded text with the bytes of the original that it comes from.
pub(super) fn fold(text: &str, mut each: impl FnMut(char, Range<usize>)) {
    let mut cluster = Cluster::default();
    for (start, original) in text.char_indices() {
        let span = start..start + original.len_utf8();
        if original.is_ascii() {
            cluster.end(&mut each);
            // Kept as it is: no character that follows and is kept composes with ASCII.
            each(original.to_ascii_lowercase(), span);
            continue;
        }
        let mut is_first = true;
        decompose_compatible(original, |part| {
            if std::mem::take(&mut is_first) && begins_cluster(part) {
                cluster.end(&mut each);
            }
            cluster.add(part, &span);
        });
    }
    cluster.end(&mut each);
}

/// Characters that may compose with each other.
#[derive(Default)]
struct Cluster {
    parts: Vec<char>,
    span: Range<usize>,
}

impl Cluster {
    fn add(&mut self, part: char, span: &Range<usize>) {
        if is_dropped(part) {
            return;
        }
        if self.parts.is_empty() {
            self.span.start = span.start;
        }
        self.span.end = span.end;
        // Lower case twice, because the capital of ß in lower case is ß.
        let upper = part.to_lowercase().flat_map(char::to_uppercase);
        self.parts.extend(upper.flat_map(char::to_lowercase));
    }

    fn end(&mut self, each: &mut impl FnMut(char, Range<usize>)) {
        if let [single] = self.parts[..] {
            each(single, self.span.clone());
        } else {
            self.parts.iter().copied().nfc().for_each(|composed| each(composed, self.span.clone()));
        }
        self.parts.clear();
    }
}

/// Returns true for characters that never compose with the one before.
fn begins_cluster(part: char) -> bool {
    canonical_combining_class(part) == 0 && is_nfc_quick(once(part)) == IsNormalized::Yes
}

/// Returns true for invisible characters and for marks that readers take as variants of the same letter: diacritics,
/// and the vowels of Hebrew and Arabic. Marks that make another letter, as in Japanese and Thai, are kept.
fn is_dropped(part: char) -> bool {
    match canonical_combining_class(part) {
        0 => part == TATWEEL || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(part),
        // 1: overlays, 10 to 36: vowels of Hebrew, Arabic and Syriac, from 200 on: placed above, below or beside.
        class => matches!(class, 1 | 10..=36 | 200..),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        let mut folded = String::new();
        fold(text, |character, _| folded.push(character));
        folded
    }

    #[test]
    fn spellings_of_the_same_text_are_equal() {
        for (one, other) in [
            ("CAFÉ", "cafe"),
            ("cafe\u{301}", "cafe"),
            ("Straße", "strasse"),
            ("STRAẞE", "strasse"),
            ("ＡＢＣ１", "abc1"),
            ("İstanbul", "istanbul"),
            ("DIYARBAKIR", "dıyarbakır"),
            ("ΟΔΟΣ", "οδός"),
            ("Ёлка", "елка"),
            ("مُحَمَّد", "محمد"),
            ("محـــمد", "محمد"),
            ("أحمد", "احمد"),
            ("שָׁלוֹם", "שלום"),
            ("ｶﾞｷﾞ", "ガギ"),
            ("\u{110b}\u{1175}\u{11ab}", "인"),
            ("か\u{3099}", "が"),
            ("zero\u{200b}width\u{ad}", "zerowidth"),
            ("❤\u{fe0f}", "❤"),
            ("ﬁn", "fin"),
        ] {
            assert_eq!(folded(one), folded(other), "{one}");
        }
    }

    #[test]
    fn different_letters_stay_different() {
        for (one, other) in [("が", "か"), ("ば", "ぱ"), ("น้ำ", "นำ"), ("김", "긴"), ("क", "कि")]
        {
            assert_ne!(folded(one), folded(other), "{one}");
        }
    }

    #[test]
    fn a_character_keeps_the_place_of_its_original() {
        let mut spans = Vec::new();
        fold("aß e\u{301}\u{1112}\u{1161}\u{11ab}!", |character, span| spans.push((character, span)));
        assert_eq!(
            spans,
            [('a', 0..1), ('s', 1..3), ('s', 1..3), (' ', 3..4), ('e', 4..5), ('한', 7..16), ('!', 16..17),]
        );
    }
}
