//! The hosts of links, also of links without a scheme.

use std::ops::Range;

/// The longest name of a host in bytes.
const MAX_HOST: usize = 253;

/// The number of labels at the end of a run that are compared: more than any name to look for has.
const MAX_LABELS: usize = 16;

/// The dots of host names (UTS 46).
const DOTS: [char; 4] = ['.', '\u{3002}', '\u{FF0E}', '\u{FF61}'];

/// Returns the normal form of a host's name: its ASCII form (UTS 46). None if it is not a name with a dot in it.
pub(super) fn normal_host(text: &str) -> Option<String> {
    let host = idna::domain_to_ascii(text.trim_matches(['.', '-'])).ok()?;
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    (host.len() <= MAX_HOST && host.contains('.') && host.split('.').all(is_part)).then_some(host)
}

/// Returns whatever is written like the name of a host, with its place in the text.
pub(super) fn hosts(text: &str) -> Vec<(String, Range<usize>)> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, character) in text.char_indices().chain([(text.len(), ' ')]) {
        let is_part = character.is_alphanumeric()
            || matches!(character, '-' | '_' | '\u{AD}' | '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}')
            || DOTS.contains(&character)
            || unicode_normalization::char::is_combining_mark(character);
        match start {
            None if is_part => start = Some(at),
            Some(begin) if !is_part => {
                add(text, begin..at, &mut found);
                start = None;
            }
            _ => {}
        }
    }
    found
}

/// Adds the hosts of a run. Several dots in a row are not part of a name. A full stop of another script may be the end
/// of a sentence that begins or ends with a name.
fn add(text: &str, span: Range<usize>, found: &mut Vec<(String, Range<usize>)>) {
    let run = text.get(span.clone()).unwrap_or_default();
    let mut start = span.start;
    for label_or_gap in
        run.split_inclusive(DOTS).collect::<Vec<_>>().chunk_by(|one, next| !is_gap(one) && !is_gap(next))
    {
        let name = label_or_gap.concat();
        add_name(name.trim_end_matches(DOTS), start, found);
        start += name.len();
    }
}

/// Returns true for a dot that follows another one.
fn is_gap(part: &str) -> bool {
    part.trim_end_matches(DOTS).is_empty()
}

/// Adds the hosts of a name with single dots, which begins at this byte of the text.
fn add_name(name: &str, start: usize, found: &mut Vec<(String, Range<usize>)>) {
    let stops = name.match_indices(|c| c != '.' && DOTS.contains(&c)).map(|(stop, _)| stop);
    for end in stops.chain([name.len()]) {
        let part = name.get(..end).unwrap_or_default();
        // From the longest to the shortest: one label that is not valid does not hide the others.
        let dots = part.rmatch_indices(DOTS).map(|(dot, mark)| dot + mark.len());
        let begins: Vec<usize> = dots.chain([0]).take(MAX_LABELS).collect();
        let host = begins.into_iter().rev().find_map(|begin| {
            let host = part.get(begin..).filter(|host| host.contains(DOTS)).and_then(normal_host)?;
            Some((host, start + begin..start + end))
        });
        found.extend(host);
    }
}
