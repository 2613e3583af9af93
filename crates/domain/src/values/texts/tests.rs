//! Tests of the limits of each text, and of the rules of nicknames.

use unicode_normalization::UnicodeNormalization;

use super::*;

fn parse<T: TryFrom<String, Error = InvalidValue>>(text: &str) -> Result<T, String> {
    T::try_from(text.to_owned()).map_err(|error| error.to_string())
}

/// Checks the limits of a type, and that its error names them.
fn has_limits<T: TryFrom<String, Error = InvalidValue>>(characters: usize, bytes: usize) {
    assert!(parse::<T>(&"é".repeat(characters)).is_ok());
    assert!(parse::<T>(&"🍕".repeat(characters)).is_ok() && bytes == 4 * characters);
    let family = "👨‍👩‍👧";
    assert!(parse::<T>(&family.repeat(bytes / family.len())).is_ok());
    let zalgo = format!("a{}", "\u{316}".repeat(bytes));
    for bad in ["", " \n\t ", "\u{200B}", "\u{3164}", &"x".repeat(characters + 1), &family.repeat(bytes), &zalgo] {
        let error = parse::<T>(bad).map(drop).unwrap_err();
        assert!(error.contains(&format!("1 to {characters} characters")), "{error}");
        assert!(error.contains(&format!("at most {bytes} bytes")), "{error}");
    }
    for bad in ["a\0b", "a\u{1B}b", "a\u{FFFF}", "a\u{E0041}"] {
        assert!(parse::<T>(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn texts_keep_their_limits_in_characters_and_bytes() {
    has_limits::<MessageBody>(4000, 16000);
    has_limits::<Title>(100, 400);
    has_limits::<Nickname>(40, 160);
    has_limits::<StoreName>(100, 400);
    has_limits::<Category>(40, 160);
    has_limits::<ZipCode>(16, 64);
    has_limits::<Address>(200, 800);
    has_limits::<Reason>(200, 800);
}

#[test]
fn only_messages_have_several_lines() {
    assert_eq!(parse::<MessageBody>("  hi\r\n\tyou \n").unwrap().as_str(), "hi\n\tyou");
    for bad in ["a\nb", "a\tb", "a\u{2028}b", "a\u{202E}b"] {
        assert!(parse::<Title>(bad).is_err() && parse::<Address>(bad).is_err(), "{bad:?}");
    }
    assert_eq!(parse::<MessageBody>("a\u{202E}b").unwrap().as_str(), "a\u{202E}b\u{202C}");
}

#[test]
fn decomposed_texts_are_composed() {
    let decomposed: String = "김밥 é".nfd().collect();
    assert_eq!(parse::<Title>(&decomposed).unwrap().as_str(), "김밥 é");
    assert_eq!(parse::<MessageBody>(&decomposed).unwrap().as_str(), "김밥 é");
}

#[test]
fn nicknames_of_one_script_are_accepted_and_reserved_ones_are_not() {
    for name in ["Bob", "Вова", "Иван", "김밥", "田中カナ", "محمد", "🍕", "Bob 김"] {
        assert_eq!(parse::<Nickname>(name).unwrap().as_str(), name);
    }
    let cases = [
        ("[erased]", "looks like"),
        ("Ａｄｍｉｎ", "looks like"),
        ("운영자", "looks like"),
        ("Bоb", "mix scripts"),
        ("\u{202E}nna\u{202C}", "bidirectional"),
        ("a\u{E000}", "private-use"),
    ];
    for (name, reason) in cases {
        let error = parse::<Nickname>(name).map(drop).unwrap_err();
        assert!(error.contains(reason), "{name}: {error}");
    }
}

#[test]
fn push_tokens_are_visible_ascii() {
    let token = "APA91b:f-_x/+=~";
    assert_eq!(parse::<PushToken>(&format!(" {token}\n")).unwrap().as_str(), token);
    assert!(parse::<PushToken>(&"x".repeat(4096)).is_ok());
    for bad in ["", " ", "a b", "é", "a\u{200B}", "a\nb", &"x".repeat(4097)] {
        assert!(parse::<PushToken>(bad).is_err(), "{bad:?}");
    }
}
