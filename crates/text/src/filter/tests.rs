//! Tests of filters.

use super::*;

fn matcher(words: &[&str], hosts: &[&str], action: Action) -> Matcher {
    let words = words.iter().map(|word| Pattern::words(word).expect("a word"));
    let hosts = hosts.iter().map(|host| Pattern::host(host).expect("a host"));
    Matcher::new(words.chain(hosts).map(|pattern| (pattern, action)))
}

fn mask(words: &[&str], text: &str) -> Verdict {
    matcher(words, &[], Action::Mask).check(text)
}

fn masked_as(text: &str) -> Verdict {
    Verdict::Masked(text.to_owned())
}

#[test]
fn a_word_is_found_in_any_spelling_that_looks_like_it() {
    for text in [
        "soup",
        "SOUP!",
        "ｓｏｕｐ",
        "sоuр",
        "s\u{200b}oup",
        "sóup",
        "s0up",
        "s.o.u.p",
        "s o u p",
        "s-o-u-p",
        "𝐬𝐨𝐮𝐩",
        "@soup",
        "so\u{ad}up",
    ] {
        assert_eq!(matcher(&["Soup"], &[], Action::Refuse).check(text), Verdict::Refused, "{text}");
    }
    for text in ["soups", "miso", "so up", "soap", "", "🍲"] {
        assert_eq!(matcher(&["soup"], &[], Action::Refuse).check(text), Verdict::Pass, "{text}");
    }
    assert_eq!(mask(&["swill"], "SWlLL"), masked_as("*****"));
}

#[test]
fn a_beginning_and_a_phrase_are_found() {
    assert_eq!(mask(&["soup*"], "Soups and soup, mysoup"), masked_as("***** and ****, mysoup"));
    assert_eq!(mask(&["hot soup"], "a hot, SOUP and a hot tea"), masked_as("a ********* and a hot tea"));
    assert_eq!(mask(&["hot sou*"], "hot soups"), masked_as("*********"));
    assert_eq!(mask(&["hot soup"], "h o t  s-o-u-p"), masked_as(&"*".repeat(14)));
    assert_eq!(mask(&["hot soup"], "hotsoup"), masked_as("*******"));
    assert_eq!(mask(&["hot soup"], "h o t soup, s o u p"), masked_as("**********, s o u p"));
    assert_eq!(mask(&["上海"], "去上海吧 上 海"), masked_as("去**吧 ***"));
    assert_eq!(mask(&["🍲"], "no 🍲!"), masked_as("no *!"));
}

#[test]
fn a_mask_has_one_character_for_each_that_users_see() {
    assert_eq!(mask(&["cafe"], "cafe\u{301} CAFÉ"), masked_as("**** ****"));
    assert_eq!(mask(&["hot soup", "soup"], "hot soup"), masked_as("********"));
}

#[test]
fn links_are_found_by_their_host() {
    let found = |text: &str| matcher(&[], &["Evil.example"], Action::Refuse).check(text) == Verdict::Refused;
    for text in [
        "https://evil.example/a?b",
        "evil.example",
        "see www.EVIL.example.",
        "http://good.org@evil.example/",
        "ｅｖｉｌ．example",
        "evil。example",
        "evil\u{200b}.example",
        "evil.example:8080",
        "(evil.example)",
    ] {
        assert!(found(text), "{text}");
    }
    for text in ["notevil.example", "evil.example.org", "evil example", "evil", "...", "1.2.3"] {
        assert!(!found(text), "{text}");
    }
    let german = matcher(&[], &["bücher.example"], Action::Mask);
    assert_eq!(german.check("xn--bcher-kva.example now"), masked_as("********************* now"));
    assert_eq!(german.check("BÜCHER.example/1"), masked_as("**************/1"));
}

#[test]
fn the_most_severe_action_counts() {
    let word = || Pattern::words("soup").expect("a word");
    let both = Matcher::new([(word(), Action::Refuse), (word(), Action::Mask)]);
    assert_eq!(both.check("soup"), Verdict::Refused);
    let other = Matcher::new([(word(), Action::Mask), (Pattern::words("tea").expect("a word"), Action::Refuse)]);
    assert_eq!((other.check("soup"), other.check("soup, tea")), (masked_as("****"), Verdict::Refused));
    let held = Pattern::words("ham").expect("a word");
    let three = Matcher::new([(word(), Action::Mask), (held.clone(), Action::Hold)]);
    assert_eq!((three.check("soup"), three.check("ham, soup")), (masked_as("****"), Verdict::Held));
    let three = Matcher::new([(word(), Action::Refuse), (held, Action::Hold)]);
    assert_eq!((three.check("ham"), three.check("ham, soup")), (Verdict::Held, Verdict::Refused));
    assert_eq!(Matcher::default().check("soup"), Verdict::Pass);
}

#[test]
fn a_pattern_has_a_word_or_names_a_host() {
    for bad in ["", " ", "*", ".,", "\u{200b}"] {
        assert_eq!(Pattern::words(bad), None, "{bad:?}");
    }
    for bad in ["", "example", ".", "a b.example", "https://evil.example", "a..b", "evil.example/x"] {
        assert_eq!(Pattern::host(bad), None, "{bad:?}");
    }
}

#[test]
fn padding_hides_no_word() {
    // Each of these characters is four tokens.
    let text = format!("{} soup", "㍿".repeat(1024));
    assert_eq!(matcher(&["soup"], &[], Action::Refuse).check(&text), Verdict::Refused);
}

#[test]
fn a_spelled_word_is_found_among_other_letters() {
    for text in ["a s.o.u.p", "1 s.o.u.p", "s o u p b", "x s o u p s"] {
        assert_eq!(matcher(&["soup"], &[], Action::Refuse).check(text), Verdict::Refused, "{text}");
    }
    assert_eq!(mask(&["sou*"], "a s.o.u.p"), masked_as("a *****.p"));
    // Two letters are too common.
    assert_eq!(mask(&["so"], "a s o b"), Verdict::Pass);
}

#[test]
fn punctuation_hides_no_host() {
    for text in [
        "see...evil.example",
        "evil.example。很好吃",
        "好。evil.example。很好吃。吃",
        "evil.example..",
        "a。evil。example。b",
        "好。。evil.example",
        "\u{301}.evil.example",
    ] {
        assert_eq!(matcher(&[], &["evil.example"], Action::Refuse).check(text), Verdict::Refused, "{text}");
    }
    let masked = matcher(&[], &["evil.example"], Action::Mask).check("好。evil.example。吃");
    assert_eq!(masked, masked_as(&format!("{}。吃", "*".repeat(14))));
}
