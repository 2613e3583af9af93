//! Messages and searches together: the lexemes that a search asks for are among those of the message.

use std::collections::BTreeSet;

use proptest::{prelude::*, string::string_regex};

use super::{
    Search, Words,
    token::{Kind, tokenize},
};

/// Texts with letters of many scripts, marks, symbols and separators.
const TEXT: &str = concat!(
    r#"[a-zA-ZßéÉ0-9 .,@/#+"'\-\n\u{300}-\u{305}α-ωΑ-Ωа-яא-תء-ي\u{64b}-\u{652}ก-ู\u{1100}-\u{1112}"#,
    r"\u{1161}-\u{1175}\u{11a8}-\u{11c2}가-힣ぁ-んァ-ー\u{3099}一-丠ｱ-ﾟ🍕👍👩💻\u{1f3fb}\u{200d}\u{fe0f}\u{200b}]{0,60}"
);

/// Evaluates a search of one term without regard to positions.
fn matches(search: &Search, text: &str) -> bool {
    let mut lexemes = BTreeSet::new();
    Words::of(text, &[]).for_each(|lexeme, _| {
        lexemes.insert(lexeme.to_owned());
    });
    search.tsquery().split(" | ").any(|alternative| {
        let parts: Vec<&str> = alternative.split('\'').collect();
        parts.chunks(2).filter_map(|part| Some((*part.get(1)?, part))).enumerate().all(|(place, (lexeme, _))| {
            let is_prefix = parts.get(2 * place + 2).is_some_and(|after| after.starts_with(":*"));
            lexemes.contains(lexeme) || is_prefix && lexemes.iter().any(|one| one.starts_with(lexeme))
        })
    })
}

#[test]
fn values_of_many_languages_are_found() {
    for (query, text) in [
        ("피자", "피자를"),
        ("피자", "치즈피자"),
        ("시켰", "시켰어요"),
        ("피", "피자"),
        ("김", "김밥".chars().map(|_| '김').collect::<String>().as_str()),
        ("テスト", "これはテストです"),
        ("ﾃｽﾄ", "テスト"),
        ("上海", "我在上海吃饭"),
        ("海", "上海"),
        ("🍕", "🍕🍕🍕"),
        ("👍", "👍🏽"),
        ("👍🏽", "👍"),
        ("👩\u{200d}💻", "👩🏽\u{200d}💻!"),
        ("💻", "👩\u{200d}💻"),
        ("🇰🇷", "x🇰🇷"),
        ("cafe", "CAFÉ"),
        ("CAFÉ", "cafe\u{301}"),
        ("strasse", "Straße"),
        ("STRASSE", "straße"),
        ("donau", "Donaudampfschiff"),
        ("donaudampfsch", "Donaudampfschiff"),
        ("C++", "C++ or C#"),
        ("c#", "C++ or C#"),
        ("node", "node.js"),
        ("node.js", "Node.js!"),
        ("1.2.3", "version 1.2.3, final"),
        ("https://example.org/menu/spring-rolls?x=1", "see https://example.org/menu/spring-rolls?x=1"),
        ("spring", "https://example.org/menu/spring-rolls"),
        ("ann@mail.example.org", "<ann@mail.example.org>"),
        ("example", "ann@mail.example.org"),
        ("\u{1112}\u{1161}\u{11ab}", "한국"),
        ("한국", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}"),
        ("ส้มตำ", "ขอส้มตำหนึ่งจาน"),
        ("مرحبا", "مَرْحَبًا بكم"),
        ("مَرْحَبًا", "مرحبا"),
        ("שלום", "שָׁלוֹם"),
        ("abc", "ＡＢＣ"),
        ("istanbul", "İSTANBUL"),
        ("ISTANBUL", "istanbul"),
        ("привет", "ПРИВЕТ"),
        ("еще", "Ещё"),
        ("20€", "costs 20€"),
    ] {
        let search = Search::parse(query).unwrap();
        assert!(matches(&search, text), "{query} in {text}: {}", search.tsquery());
        assert_eq!(search.highlights(text).len(), 1, "{query} in {text}");
    }
    for (query, text) in [("が", "か"), ("izza", "pizza"), ("上海", "海上"), ("🍕", "🍔"), ("roll", "rol")] {
        let search = Search::parse(query).unwrap();
        assert!(!matches(&search, text) && search.highlights(text).is_empty(), "{query} in {text}");
    }
}

proptest! {
    #[test]
    fn a_beginning_of_a_message_is_found(text in string_regex(TEXT).unwrap(), length in 1..60_usize) {
        // Quotation marks and minus signs have another meaning in a search.
        let text = text.replace(['"', '-'], " ");
        let message = text.trim_start();
        let mut rest = message.chars();
        let beginning: String = rest.by_ref().take(length).collect();
        let next = rest.next();
        // A mark belongs to the letter before.
        prop_assume!(next.is_none_or(|next| !matches!(next, '\u{300}'..='\u{305}' | '\u{64b}'..='\u{652}'
            | '\u{1161}'..='\u{11c2}' | '\u{3099}' | 'ﾞ' | 'ﾟ')));
        // One or two letters are a whole word.
        let mut last = None;
        tokenize(&beginning, |token| last = (token.kind == Kind::Word).then(|| token.text.chars().count()));
        prop_assume!(last.is_none_or(|length| length > 2) || next.is_none_or(char::is_whitespace));
        if let Ok(search) = Search::parse(beginning.split_whitespace().next_back().unwrap_or_default()) {
            prop_assert!(matches(&search, message), "{beginning:?}");
        }
    }

    #[test]
    fn any_text_has_words_and_may_be_searched_for(text in any::<String>(), other in any::<String>()) {
        Words::of(&text, &[]).for_each(|lexeme, _| assert!(!lexeme.is_empty() && !lexeme.contains('\0')));
        if let Ok(search) = Search::parse(&other) {
            search.highlights(&text);
            search.highlights(&other);
            search.tsquery();
        }
    }
}
