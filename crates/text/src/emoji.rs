//! The forms of a reaction: one emoji, or a short code.

/// The first and the last of the variation selectors that choose the text or the emoji form of a character.
const VARIATION_SELECTORS: [char; 2] = ['\u{FE0E}', '\u{FE0F}'];

/// Returns the fully qualified form of one emoji (an RGI sequence), with or without variation selectors. None for any
/// other text.
pub fn canonical(text: &str) -> Option<&'static str> {
    let bare = || text.replace(VARIATION_SELECTORS, "");
    emojis::get(text).or_else(|| emojis::get(&bare())).map(emojis::Emoji::as_str)
}

/// Returns true if both are the same reaction: the same text, or the same emoji in different forms.
pub fn is_same(one: &str, other: &str) -> bool {
    one == other || canonical(one).is_some_and(|emoji| canonical(other) == Some(emoji))
}

/// Returns the name in a short code of the form `:name:`, with a name of 1 to 32 of `a-z`, `0-9`, `_`, `+` and `-`.
pub fn short_code(text: &str) -> Option<&str> {
    let name = text.strip_prefix(':')?.strip_suffix(':')?;
    is_code_name(name).then_some(name)
}

/// Returns true if a short code can have this name.
pub fn is_code_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_+-".contains(&byte);
    (1..=32).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_an_emoji_have_one_canonical_form() {
        for (forms, expected) in [
            (["👍", "👍\u{FE0F}", "👍\u{FE0E}"], "👍"),
            (["❤", "❤\u{FE0F}", "❤\u{FE0E}"], "❤\u{FE0F}"),
            (["🏳\u{200D}🌈", "🏳\u{FE0F}\u{200D}🌈", "🏳\u{FE0F}\u{200D}🌈\u{FE0F}"], "🏳\u{FE0F}\u{200D}🌈"),
            (["1\u{20E3}", "1\u{FE0F}\u{20E3}", "1\u{FE0F}\u{20E3}\u{FE0F}"], "1\u{FE0F}\u{20E3}"),
        ] {
            assert_eq!(forms.map(canonical), [Some(expected); 3]);
        }
        assert!(is_same("❤", "❤\u{FE0F}") && is_same("odd", "odd") && !is_same("❤", "💙") && !is_same("a", "b"));
    }

    #[test]
    fn every_kind_of_rgi_sequence_is_one_emoji() {
        for emoji in ["👩‍👩‍👧‍👦", "👍🏽", "🇩🇪", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "#️⃣", "🧑🏿‍❤️‍💋‍🧑🏻", "🫩", "©️"]
        {
            assert_eq!(canonical(emoji), Some(emoji));
        }
        for other in ["", "ab", "<b>", "👍👍", "👍 ", "a👍", "🇩", "1", "#", "\u{200D}", "\u{FE0F}", ":smile:", "é"]
        {
            assert_eq!(canonical(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_short_code_has_a_name_between_colons() {
        assert_eq!(short_code(":party_parrot:"), Some("party_parrot"));
        assert_eq!(short_code(":+1:"), Some("+1"));
        assert_eq!(short_code(&format!(":{}:", "x".repeat(32))).map(str::len), Some(32));
        for bad in ["", ":", "::", ":A:", ":a b:", "a:", ":a", ":é:", &format!(":{}:", "x".repeat(33))] {
            assert_eq!(short_code(bad), None, "{bad:?}");
        }
    }
}
