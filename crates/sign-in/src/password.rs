//! Received passwords: their lengths, and the form in which they are compared.
//!
//! Passwords are compared in the form of RFC 8265 (`OpaqueString`): composed characters and ordinary spaces, whatever a
//! keyboard sends. Earlier releases stored the hash of the received form, so that one is tried too.

use std::fmt;

use precis_profiles::{OpaqueString, precis_core::profile::PrecisFastInvocation};
use serde::{Deserialize, Deserializer, de::Error as _};
use unicode_normalization::UnicodeNormalization;

use crate::hasher::{HashError, Hasher};

/// The maximum length of any password. Longer ones would only cost time.
pub const MAX_CHARS: usize = 128;

/// A received password of at least `MIN` characters, to be compared with a hash. Its `Debug` form hides it.
#[derive(Clone)]
pub struct Password<const MIN: usize> {
    received: String,
    /// None if the profile forbids the password, or if it is too short or too long in this form.
    prepared: Option<String>,
}

/// A password to be set: one that the profile allows.
#[derive(Clone, Debug)]
pub struct NewPassword<const MIN: usize>(Password<MIN>);

/// The password of an account.
pub type AccountPassword = Password<8>;

/// A password to be set for an account.
pub type NewAccountPassword = NewPassword<8>;

impl<const MIN: usize> fmt::Debug for Password<MIN> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

impl<const MIN: usize> Password<MIN> {
    /// Checks the length of the password, in either form.
    pub fn new(received: String) -> Result<Self, String> {
        let fits = |text: &str| (MIN..=MAX_CHARS).contains(&text.chars().count());
        let prepared = prepare(&received).filter(|prepared| fits(prepared));
        if prepared.is_some() || fits(&received) {
            Ok(Self { received, prepared })
        } else {
            Err(format!("a password must have {MIN} to {MAX_CHARS} characters"))
        }
    }

    /// Returns true if the password has this hash. The time does not depend on the form that has it.
    pub fn matches(&self, hasher: &Hasher, hash: &str) -> bool {
        let other = self.prepared.as_deref().filter(|prepared| *prepared != self.received);
        let as_received = hasher.matches(&self.received, hash);
        other.is_some_and(|prepared| hasher.matches(prepared, hash)) | as_received
    }
}

impl<const MIN: usize> NewPassword<MIN> {
    /// Checks the length and the characters of the password.
    pub fn new(received: String) -> Result<Self, String> {
        let password = Password::new(received)?;
        if password.prepared.is_some() {
            return Ok(Self(password));
        }
        Err(format!(
            "a password must have {MIN} to {MAX_CHARS} characters, and no control characters or invisible ones"
        ))
    }

    /// Returns the hash of the password in PHC form, with a new salt.
    pub fn hash(&self, hasher: &Hasher) -> Result<String, HashError> {
        hasher.hash(self.0.prepared.as_deref().unwrap_or(&self.0.received))
    }

    /// Returns the password to be compared with a hash.
    pub fn to_compare(&self) -> Password<MIN> {
        self.0.clone()
    }
}

/// Returns the form in which passwords are compared, unless it is too long: the profile takes quadratic time. It is
/// composed first, because the profile forbids the letters of which decomposed Korean consists.
fn prepare(received: &str) -> Option<String> {
    let composed: String = received.nfc().take(MAX_CHARS + 1).collect();
    if composed.chars().count() > MAX_CHARS {
        return None;
    }
    OpaqueString::enforce(composed.as_str()).map(Into::into).ok().or_else(|| prepare_newer(&composed))
}

/// Returns the form of a composed password with characters that are newer than the profile's tables, such as most
/// emoji, or that it knows only in other contexts: with ordinary spaces, and without control characters.
fn prepare_newer(composed: &str) -> Option<String> {
    // Emoji contain joiners and variation selectors.
    let is_shown = |character: char| !character.is_whitespace() && !matches!(character, '\u{200D}' | '\u{FE0F}');
    let spaced = |character: char| if character.is_whitespace() { ' ' } else { character };
    let fits = !composed.chars().any(is_forbidden) && composed.chars().any(is_shown);
    fits.then(|| composed.chars().map(spaced).collect())
}

/// Returns true for control characters, invisible ones that no keyboard sends, and noncharacters.
fn is_forbidden(character: char) -> bool {
    let is_noncharacter = u32::from(character) & 0xFFFE == 0xFFFE || ('\u{FDD0}'..='\u{FDEF}').contains(&character);
    is_noncharacter
        || character.is_control()
        || matches!(
            character,
            '\u{AD}' | '\u{200B}' | '\u{200C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
        )
}

/// Reads the text of a password. serde's own message would repeat a value of the wrong type.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map_err(|_| D::Error::custom("a password must be a string"))
}

impl<'de, const MIN: usize> Deserialize<'de> for Password<MIN> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(text(deserializer)?).map_err(D::Error::custom)
    }
}

impl<'de, const MIN: usize> Deserialize<'de> for NewPassword<MIN> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(text(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_its_length_and_is_never_shown() {
        let parse = |text: serde_json::Value| serde_json::from_value::<NewAccountPassword>(text);
        assert!(parse("12345678".into()).is_ok() && parse("ü".repeat(128).into()).is_ok());
        assert!(parse("ü".repeat(128).nfd().collect::<String>().into()).is_ok());
        let short = "ü".repeat(7).nfd().collect::<String>().into();
        for bad in
            ["1234567".into(), short, "x".repeat(129).into(), serde_json::json!(12_345_678), serde_json::json!(null)]
        {
            let error = parse(bad).unwrap_err().to_string();
            assert!(!error.contains("12345678") && !error.contains("xx"), "{error}");
        }
        let password: NewAccountPassword = parse("correct horse".into()).unwrap();
        assert_eq!(format!("{:?} {password:?}", password.to_compare()), "Password(..) NewPassword(Password(..))");
    }

    #[test]
    fn a_password_is_the_same_in_every_form() {
        let hasher = Hasher::default();
        for (one, other) in [
            ("contraseña segura", "contrasen\u{303}a segura"),
            ("김밥천국천국 김밥", &"김밥천국천국 김밥".nfd().collect::<String>()),
            ("correct horse", "correct\u{3000}horse"),
            ("correct horse", "correct\u{A0}horse"),
        ] {
            for (set, typed) in [(one, other), (other, one)] {
                let hash = NewPassword::<8>::new(set.to_owned()).unwrap().hash(&hasher).unwrap();
                assert!(Password::<8>::new(typed.to_owned()).unwrap().matches(&hasher, &hash), "{set} {typed}");
            }
        }
        let hash = NewPassword::<8>::new("correct horse".to_owned()).unwrap().hash(&hasher).unwrap();
        for wrong in ["Correct horse", "correct  horse", "ｃorrect horse"] {
            assert!(!Password::<8>::new(wrong.to_owned()).unwrap().matches(&hasher, &hash), "{wrong}");
        }
    }

    #[test]
    fn hashes_of_received_forms_are_verified() {
        let hasher = Hasher::default();
        for received in ["contrasen\u{303}a", "tab\tand\u{7}bell", "correct\u{3000}horse", "u\u{308}u\u{308}u\u{308}xx"]
        {
            let hash = hasher.hash(received).unwrap();
            let password = Password::<8>::new(received.to_owned()).unwrap();
            assert!(password.matches(&hasher, &hash), "{received:?}");
        }
    }

    #[test]
    fn a_password_to_be_set_has_only_allowed_characters() {
        for bad in ["tab\tand bell\u{7}", "zero\u{200B}width", "line\nbreaks", "\u{FFFF}noncharacter"] {
            assert!(NewPassword::<8>::new(bad.to_owned()).is_err(), "{bad:?}");
            assert!(Password::<8>::new(bad.to_owned()).is_ok(), "{bad:?}");
        }
        assert!(NewPassword::<1>::new(String::new()).is_err() && Password::<1>::new(String::new()).is_err());
        for good in ["🍕 and 🍔 are food", "🤔 I ❤️ 👨\u{200D}👩\u{200D}👧 🦄", "пароль пароль", "        "]
        {
            assert!(NewPassword::<8>::new(good.to_owned()).is_ok(), "{good}");
        }
    }
}
