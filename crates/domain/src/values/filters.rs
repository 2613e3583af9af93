//! The patterns of filters.

use text::{
    filter::Pattern,
    value::{self, Limits},
};

use super::InvalidValue;
use crate::filters::FilterKind;

/// The limits of a pattern. All patterns are stored with each change of one.
const LIMITS: Limits = Limits { characters: 64, bytes: 64 };

/// The pattern of a filter: a word or a host, and not only separators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterPattern {
    kind: FilterKind,
    pattern: String,
}

impl FilterPattern {
    /// The maximum number of bytes.
    pub const MAX_BYTES: usize = LIMITS.bytes;

    /// Checks a pattern of this kind.
    pub fn new(kind: FilterKind, pattern: &str) -> Result<Self, InvalidValue> {
        let length = "must be one line of 1 to 64 bytes after trimming";
        let pattern = value::line(pattern, LIMITS).map_err(|_| InvalidValue(length))?;
        let (parsed, expected) = match kind {
            FilterKind::Word => (Pattern::words(&pattern), "must have a word, with an asterisk only at its end"),
            FilterKind::Link => (Pattern::host(&pattern), "must be the name of a host, like example.org"),
        };
        let is_valid = parsed.is_some() && !pattern.trim_end_matches('*').contains('*');
        if is_valid { Ok(Self { kind, pattern }) } else { Err(InvalidValue(expected)) }
    }

    /// The kind of the pattern.
    pub fn kind(&self) -> FilterKind {
        self.kind
    }
}

impl From<FilterPattern> for String {
    fn from(value: FilterPattern) -> Self {
        value.pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_word_or_a_host() {
        let new = |kind, pattern: &str| FilterPattern::new(kind, pattern).map(String::from);
        for good in ["soup", "soup*", "hot soup", "上海", &"a".repeat(64)] {
            assert_eq!(new(FilterKind::Word, good).as_deref(), Ok(good));
        }
        assert_eq!(new(FilterKind::Link, " example.org ").as_deref(), Ok("example.org"));
        for bad in ["", "*", "so*up", "*soup", "...", "a\nb", &"a".repeat(65), "\0"] {
            assert!(new(FilterKind::Word, bad).is_err(), "{bad}");
        }
        for bad in ["soup", "https://example.org", "example.org/a", "*.example.org"] {
            assert!(new(FilterKind::Link, bad).is_err(), "{bad}");
        }
    }
}
