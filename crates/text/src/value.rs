//! The normal form of values that people write: bodies of messages, and values of one line.
//!
//! A value is normalised once, when it is received. Its normal form is NFC and has no surrounding white space, so that
//! a client that composes its characters and one that does not write the same value.

mod bidi;

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory, NoncharacterCodePoint},
};
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

pub(crate) use bidi::is_explicit as is_explicit_bidi;

/// The largest size of a value. A grapheme cluster has any number of marks, so only the bytes bound what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The maximum number of grapheme clusters, which users take for characters.
    pub characters: usize,
    /// The maximum number of bytes in UTF-8.
    pub bytes: usize,
}

/// The reason for which a text is not a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// It is longer than its limits, or shows nothing.
    Length,
    /// It contains control characters. Bodies may have line breaks and tabs.
    Control,
    /// A control of the writing direction is opened and not closed, or the reverse.
    Bidirectional,
    /// It contains characters without a meaning: noncharacters, private use outside bodies, stray tag characters.
    Meaningless,
}

/// Returns the normal form of a text of several lines. Every line break becomes `\n`, and each line closes the
/// bidirectional controls that it opens.
pub fn body(text: &str, limits: Limits) -> Result<String, Unfit> {
    let text = text.replace("\r\n", "\n").replace(['\u{2028}', '\u{2029}'], "\n");
    if text.contains(|c: char| c.is_control() && c != '\n' && c != '\t') {
        return Err(Unfit::Control);
    }
    let lines: Vec<String> = text.split('\n').map(bidi::closed).collect();
    fit(lines.join("\n").trim().nfc().collect(), limits)
}

/// Returns the normal form of a text of one line.
pub fn line(text: &str, limits: Limits) -> Result<String, Unfit> {
    let text = text.trim();
    if text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(Unfit::Control);
    }
    if bidi::closed(text) != text {
        return Err(Unfit::Bidirectional);
    }
    if text.contains(|c| CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::PrivateUse) {
        return Err(Unfit::Meaningless);
    }
    fit(text.nfc().collect(), limits)
}

/// Returns the beginning of a text: whole grapheme clusters of at most this many code points together.
pub fn beginning(text: &str, code_points: usize) -> &str {
    let (mut count, mut end) = (0, 0);
    for cluster in text.graphemes(true) {
        count += cluster.chars().count();
        if count > code_points {
            break;
        }
        end += cluster.len();
    }
    if end == 0 {
        // The first cluster alone is too long.
        end = text.char_indices().nth(code_points).map_or(text.len(), |(end, _)| end);
    }
    &text[..end]
}

/// Checks the rules that all values share.
fn fit(text: String, limits: Limits) -> Result<String, Unfit> {
    // The bytes come first, because they bound the rest of the work.
    if text.len() > limits.bytes || !text.contains(is_visible) || text.graphemes(true).count() > limits.characters {
        return Err(Unfit::Length);
    }
    let is_noncharacter = |c| CodePointSetData::new::<NoncharacterCodePoint>().contains(c);
    if text.contains(is_noncharacter) || text.graphemes(true).any(has_stray_tags) {
        return Err(Unfit::Meaningless);
    }
    Ok(text)
}

/// Returns true if a character is seen. Marks need another character, and the blank of Braille has no dots.
fn is_visible(c: char) -> bool {
    let is_mark_or_invisible = || {
        use GeneralCategory::{Control, EnclosingMark, Format, NonspacingMark, SpacingMark};
        let category = CodePointMapData::<GeneralCategory>::new().get(c);
        matches!(category, Control | EnclosingMark | Format | NonspacingMark | SpacingMark)
    };
    !is_blank(c) && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c) && !is_mark_or_invisible()
}

/// Returns true if a character takes space and shows nothing.
pub(crate) fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{2800}'
}

/// Returns true if a grapheme cluster has tag characters and is not a flag that they spell, like that of England.
/// Elsewhere they hide text.
fn has_stray_tags(cluster: &str) -> bool {
    let is_tag = |c: char| ('\u{E0000}'..='\u{E007F}').contains(&c);
    let spells_flag = || {
        let region = cluster.strip_prefix('\u{1F3F4}').and_then(|tags| tags.strip_suffix('\u{E007F}'));
        region.is_some_and(|tags| !tags.is_empty() && tags.chars().all(|c| ('\u{E0020}'..='\u{E007E}').contains(&c)))
    };
    cluster.contains(is_tag) && !spells_flag()
}

#[cfg(test)]
mod tests;
