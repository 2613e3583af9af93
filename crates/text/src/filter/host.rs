//! The hosts of links, also of links without a scheme.

use std::ops::Range;

/// The longest name of a host in bytes.
const MAX_HOST: usize = 253;

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

fn add(text: &str, span: Range<usize>, found: &mut Vec<(String, Range<usize>)>) {
    let name = text.get(span.clone()).unwrap_or_default();
    if name.contains(DOTS) {
        let visible = name.trim_end_matches(DOTS).len();
        found.extend(normal_host(name).map(|host| (host, span.start..span.start + visible)));
    }
}
