//! Received passwords, with their lengths checked.

use std::fmt;

use serde::{Deserialize, Deserializer, de::Error as _};

/// The maximum length of any password. Longer ones would only cost time.
pub const MAX_CHARS: usize = 128;

/// A received password of at least `MIN` characters. Its `Debug` form hides it.
#[derive(Clone)]
pub struct Password<const MIN: usize>(String);

/// The password of an account.
pub type AccountPassword = Password<8>;

impl<const MIN: usize> fmt::Debug for Password<MIN> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

impl<const MIN: usize> Password<MIN> {
    /// Checks the length of the password.
    pub fn new(text: String) -> Result<Self, String> {
        if (MIN..=MAX_CHARS).contains(&text.chars().count()) {
            Ok(Self(text))
        } else {
            Err(format!("a password must have {MIN} to {MAX_CHARS} characters"))
        }
    }

    /// Returns the text, which must not be stored or logged.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl<'de, const MIN: usize> Deserialize<'de> for Password<MIN> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // serde's own message would repeat a value of the wrong type.
        let text = String::deserialize(deserializer).map_err(|_| D::Error::custom("a password must be a string"))?;
        Self::new(text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password<const MIN: usize>(text: &str) -> Password<MIN> {
        serde_json::from_value(text.into()).unwrap()
    }

    #[test]
    fn a_password_has_its_length_and_is_never_shown() {
        let parse = |text: serde_json::Value| serde_json::from_value::<AccountPassword>(text);
        assert!(parse("12345678".into()).is_ok() && parse("ü".repeat(128).into()).is_ok());
        for bad in ["1234567".into(), "x".repeat(129).into(), serde_json::json!(12_345_678), serde_json::json!(null)] {
            let error = parse(bad).unwrap_err().to_string();
            assert!(!error.contains("12345678") && !error.contains('x'), "{error}");
        }
        assert_eq!(format!("{:?}", password::<8>("correct horse")), "Password(..)");
    }
}
