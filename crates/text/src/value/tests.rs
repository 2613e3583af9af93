//! Tests of normal forms.

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { characters: 40, bytes: 160 };

fn nfd(text: &str) -> String {
    text.nfd().collect()
}

#[test]
fn composed_and_decomposed_texts_are_one_value() {
    for text in ["é", "김밥", "Ångström", "ක්‍ෂ", "הַשָּׁלוֹם"] {
        assert_eq!(line(&nfd(text), LIMITS), line(text, LIMITS));
        assert_eq!(body(&nfd(text), LIMITS), Ok(text.nfc().collect()));
    }
    assert_eq!(line("e\u{301}", LIMITS).unwrap(), "é");
}

#[test]
fn control_characters_are_refused() {
    let controls = (0..0x20).chain(0x7F..0xA0).filter_map(char::from_u32);
    for control in controls {
        let text = format!("a{control}b");
        assert_eq!(line(&text, LIMITS), Err(Unfit::Control), "{control:?}");
        let expected = if matches!(control, '\n' | '\t') { Ok(text.clone()) } else { Err(Unfit::Control) };
        assert_eq!(body(&text, LIMITS), expected, "{control:?}");
    }
}

#[test]
fn every_line_break_of_a_body_is_one_character() {
    assert_eq!(body("a\r\nb\u{2028}c\u{2029}d\ne", LIMITS).unwrap(), "a\nb\nc\nd\ne");
    for text in ["a\u{2028}b", "a\u{2029}b", "a\r\nb"] {
        assert_eq!(line(text, LIMITS), Err(Unfit::Control), "{text:?}");
    }
    assert_eq!(line(" bob\r\n", LIMITS).unwrap(), "bob");
}

#[test]
fn unpaired_bidirectional_controls_are_closed_in_bodies_and_refused_in_lines() {
    let cases = [
        ("\u{202E}abc", "\u{202E}abc\u{202C}"),
        ("\u{2067}a\u{202A}b", "\u{2067}a\u{202A}b\u{202C}\u{2069}"),
        ("\u{2067}a\u{202A}b\u{2069}c", "\u{2067}a\u{202A}b\u{2069}c"),
        ("a\u{202C}b\u{2069}", "ab"),
        ("\u{202A}a\u{2069}b", "\u{202A}ab\u{202C}"),
        ("\u{202E}abc\ndef", "\u{202E}abc\u{202C}\ndef"),
        ("\u{202C} a", "a"),
        ("e\u{202C}\u{301}", "é"),
    ];
    for (text, expected) in cases {
        assert_eq!(body(text, LIMITS).unwrap(), expected, "{text:?}");
        assert_eq!(body(expected, LIMITS).unwrap(), expected, "{text:?}");
        if !text.contains('\n') && text != expected {
            assert_eq!(line(text, LIMITS), Err(Unfit::Bidirectional), "{text:?}");
        }
    }
    for paired in ["\u{2067}אב\u{2069} ab", "\u{202B}אב\u{202C}", "אב\u{200F}!"] {
        assert_eq!(line(paired, LIMITS).unwrap(), paired);
    }
}

#[test]
fn a_text_that_shows_nothing_is_refused() {
    let nothing = [
        "",
        " \n\t ",
        "\u{200B}",
        "\u{3164}",
        "\u{115F}",
        "\u{1160}",
        "\u{FFA0}",
        "\u{2060}",
        "\u{FEFF}",
        "\u{200D}",
        "\u{FE0F}",
        "\u{301}\u{302}",
        "\u{20DD}",
        "\u{903}",
        "\u{2800}",
        "\u{3000}",
        "\u{AD}",
        "\u{180E}",
        "\u{E0041}",
        "\u{202E}",
        "\u{2066}\u{2069}",
        "\u{200B} \u{2800}\u{301}",
    ];
    for text in nothing {
        assert_eq!(body(text, LIMITS), Err(Unfit::Length), "{text:?}");
        assert!(line(text, LIMITS).is_err(), "{text:?}");
    }
    assert_eq!(line("a\u{301}\u{2800}", LIMITS).unwrap(), "á\u{2800}");
}

#[test]
fn lengths_count_grapheme_clusters_and_bytes() {
    for cluster in ["x", "é", "김", "🍕", "👍🏽"] {
        let limits = Limits { characters: 40, bytes: 1000 };
        assert!(line(&cluster.repeat(40), limits).is_ok(), "{cluster}");
        assert_eq!(line(&cluster.repeat(41), limits), Err(Unfit::Length), "{cluster}");
    }
    assert!(line(&"👨‍👩‍👧".repeat(8), LIMITS).is_ok());
    assert_eq!(line(&"👨‍👩‍👧".repeat(9), LIMITS), Err(Unfit::Length), "162 bytes");
    let zalgo = format!("a{}", "\u{301}\u{316}".repeat(500));
    assert_eq!(zalgo.graphemes(true).count(), 1);
    assert_eq!(line(&zalgo, LIMITS), Err(Unfit::Length));
    assert!(body(&zalgo, Limits { characters: 1, bytes: 2100 }).is_ok());
}

#[test]
fn characters_without_a_meaning_are_refused() {
    for text in
        ["a\u{FFFF}", "\u{FDD0}a", "a\u{10FFFE}", "a\u{E0041}", "a\u{E0001}", "🏴\u{E0067}", "🏳\u{E0067}\u{E007F}"]
    {
        assert_eq!(line(text, LIMITS), Err(Unfit::Meaningless), "{text:?}");
        assert_eq!(body(text, LIMITS), Err(Unfit::Meaningless), "{text:?}");
    }
    assert_eq!(line("a\u{E000}", LIMITS), Err(Unfit::Meaningless));
    assert!(body("a\u{E000}\u{F8FF}", LIMITS).is_ok());
    let england = "🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}";
    assert_eq!(line(england, LIMITS).unwrap(), england);
    assert_eq!(body(england, LIMITS).unwrap(), england);
}

#[test]
fn a_beginning_has_whole_clusters() {
    let flags = [("🇩🇪🇰🇷🇫🇷", "🇩🇪🇰🇷"), ("a🇩🇪🇰🇷", "a🇩🇪")];
    let others = [("pizza", "pizz"), ("ab👨‍👩‍👧", "ab"), ("e\u{301}x", "e\u{301}x"), ("", "")];
    for (text, expected) in flags.into_iter().chain(others) {
        assert_eq!(beginning(text, 4), expected, "{text}");
    }
    assert_eq!(beginning("👨‍👩‍👧", 4).chars().count(), 4, "a cluster that is too long itself");
}

/// Texts of the characters that the rules are about, and of any others.
fn texts() -> impl Strategy<Value = String> {
    const SPECIAL: &str = " \n\t\r\u{85}\u{2028}\u{2029}\u{200B}\u{200D}\u{2060}\u{3164}\u{2800}\u{301}\u{316}\u{327}e\
        \u{202A}\u{202B}\u{202C}\u{202D}\u{202E}\u{2066}\u{2067}\u{2068}\u{2069}각\u{1100}\u{1161}\u{11A8}\u{958}\
        \u{1F3F4}\u{E0067}\u{E007F}\u{FFFF}\u{E000}👨👩👧é\u{212B}א";
    let special = proptest::sample::select(SPECIAL.chars().collect::<Vec<_>>());
    proptest::collection::vec(prop_oneof![3 => special, 1 => any::<char>()], 0..60)
        .prop_map(|characters| characters.into_iter().collect())
}

proptest! {
    #[test]
    fn a_normal_form_is_stable_and_within_its_limits(text in texts()) {
        for normalise in [body, line] {
            if let Ok(normal) = normalise(&text, LIMITS) {
                prop_assert!(normal.len() <= LIMITS.bytes && normal.graphemes(true).count() <= LIMITS.characters);
                prop_assert_eq!(normalise(&normal, LIMITS), Ok(normal));
            }
            prop_assert_eq!(normalise(&nfd(&text), LIMITS), normalise(&text, LIMITS));
        }
    }
}
