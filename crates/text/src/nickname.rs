//! The rules of nicknames: which are allowed, and which look alike.

use std::{collections::HashSet, sync::LazyLock};

use icu_casemap::CaseMapper;
use unicode_normalization::UnicodeNormalization;
use unicode_script::Script;
use unicode_security::{confusable_detection, mixed_script::AugmentedScriptSet};

use crate::value::{is_blank, is_explicit_bidi};

/// Names of the people who run an installation, and of erased users. Names that look like these are reserved too.
const RESERVED: [&str; 24] = [
    "erased",
    "deleted",
    "operator",
    "admin",
    "administrator",
    "moderator",
    "system",
    "boxroom",
    "support",
    "staff",
    "official",
    "root",
    "운영자",
    "운영진",
    "관리자",
    "시스템",
    "고객센터",
    "공식",
    "運営",
    "管理者",
    "管理员",
    "系统",
    "администратор",
    "оператор",
];

/// The reason for which a nickname is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disallowed {
    /// It looks like the name of an operator or of an erased user.
    Reserved,
    /// It mixes scripts that are not used together.
    MixedScripts,
    /// It has controls of the writing direction, with which a name reads like another one.
    Bidirectional,
}

/// Checks a nickname in its normal form.
pub fn check(nickname: &str) -> Result<(), Disallowed> {
    static RESERVED_LETTERS: LazyLock<HashSet<String>> =
        LazyLock::new(|| RESERVED.iter().map(|name| letters(name)).collect());
    if nickname.contains(is_explicit_bidi) {
        return Err(Disallowed::Bidirectional);
    }
    if mixes_scripts(nickname) {
        return Err(Disallowed::MixedScripts);
    }
    if RESERVED_LETTERS.contains(&letters(nickname)) {
        return Err(Disallowed::Reserved);
    }
    Ok(())
}

/// Returns the skeleton of a nickname: names that look alike have the same one. This is version 2 of the function, and
/// its version is part of stored subjects: a change of its results is a new version.
///
/// It is the skeleton of UTS 39 over compatibility characters without case. White space counts once.
pub fn skeleton_v2(nickname: &str) -> String {
    let folded = fold(&nickname.nfkc().collect::<String>());
    let prototypes: String = confusable_detection::skeleton(&folded).collect();
    // A prototype can be a capital letter: that of the digit zero is `O`.
    let folded = fold(&prototypes);
    folded.split(is_blank).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Returns the text without case, in NFKC.
fn fold(text: &str) -> String {
    CaseMapper::new().fold_string(text).nfkc().collect()
}

/// Returns the letters and digits of a skeleton without accents, so that `[erased]` and `-Àdmin-` are reserved. `i` and
/// `l` are one letter, because the capital `I` looks like `l`, so that `ADMlN` is reserved too.
fn letters(nickname: &str) -> String {
    let letter = |c| if c == 'i' { 'l' } else { c };
    skeleton_v2(nickname).nfd().filter(|c| c.is_alphanumeric()).map(letter).collect()
}

/// Returns true if a name is not "moderately restrictive" by UTS 39: it may have one script, Latin together with the
/// scripts of Chinese, Japanese or Korean, or Latin together with one other script in wide use. Cyrillic and Greek
/// share the shapes of too many letters with Latin.
fn mixes_scripts(nickname: &str) -> bool {
    let (mut all, mut without_latin) = (AugmentedScriptSet::default(), AugmentedScriptSet::default());
    for scripts in nickname.chars().map(AugmentedScriptSet::for_char) {
        all.intersect_with(scripts);
        if !scripts.base.contains_script(Script::Latin) {
            without_latin.intersect_with(scripts);
        }
    }
    let is_with_latin = |script: Script| script.is_recommended() && !matches!(script, Script::Cyrillic | Script::Greek);
    let AugmentedScriptSet { base, hanb, jpan, kore } = without_latin;
    all.is_empty() && !(hanb || jpan || kore) && !(base.len() == 1 && base.iter().all(is_with_latin))
}

#[cfg(test)]
mod tests;
