//! The installation's master keys, which wrap the keys of users.

use std::{fmt, fs, path::Path, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use domain::UserId;

use crate::{
    cipher::{UserKey, decrypt, encrypt},
    error::KeyError,
};

/// Separates these ciphertexts from all others under any key. Part of them; never change.
const PURPOSE: &str = "boxroom user key 1";

/// The maximum length of a master key's id.
const MAX_ID_LENGTH: usize = 40;

/// The errors of a file of master keys. They do not reveal its content.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file cannot be read.
    #[error("it cannot be read")]
    Read(#[from] std::io::Error),
    /// The line with this number is not a key.
    #[error("line {0} is not an id, a space and 64 hexadecimal digits")]
    Line(usize),
    /// The file has no key, or two keys with one id.
    #[error("it must contain at least one key, and each id only once")]
    Ids,
}

/// The master keys: the first wraps, all unwrap.
#[derive(Clone)]
pub struct MasterKeys(Vec<(String, XChaCha20Poly1305)>);

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(id, _)| id)).finish()
    }
}

impl MasterKeys {
    /// Reads a file with one key in each line: its id, a space, and 32 bytes in hexadecimal digits.
    pub fn read(path: &Path) -> Result<Self, MasterKeyError> {
        fs::read_to_string(path)?.parse()
    }

    /// Wraps a user's key. Returns the id of the master key and the wrapped key. None if the cipher fails, which cannot
    /// happen.
    pub(super) fn wrap(&self, user_id: &UserId, key: &[u8; 32]) -> Option<(String, String)> {
        let (id, master) = self.0.first()?;
        let wrapped = encrypt(master, key, &associated_data(user_id, id))?;
        Some((id.clone(), BASE64.encode(wrapped)))
    }

    pub(super) fn unwrap(&self, user_id: &UserId, id: &str, wrapped: &str) -> Result<UserKey, KeyError> {
        let Some((_, master)) = self.0.iter().find(|(known, _)| known == id) else {
            return Err(KeyError::UnknownMaster { user_id: user_id.clone(), master: id.to_owned() });
        };
        let wrapped = BASE64.decode(wrapped).ok();
        let key = wrapped.and_then(|wrapped| decrypt(master, &wrapped, &associated_data(user_id, id)));
        let key: Option<[u8; 32]> = key.and_then(|key| key.try_into().ok());
        Ok(UserKey::new(&key.ok_or_else(|| KeyError::Corrupt(user_id.clone()))?))
    }
}

impl FromStr for MasterKeys {
    type Err = MasterKeyError;

    fn from_str(text: &str) -> Result<Self, MasterKeyError> {
        let mut keys: Vec<(String, XChaCha20Poly1305)> = Vec::new();
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            let (id, key) = parse_line(line).ok_or(MasterKeyError::Line(number))?;
            if keys.iter().any(|(other, _)| *other == id) {
                return Err(MasterKeyError::Ids);
            }
            keys.push((id, key));
        }
        if keys.is_empty() { Err(MasterKeyError::Ids) } else { Ok(Self(keys)) }
    }
}

/// The associated data of a wrapped key. It binds the key to its user and master key.
fn associated_data(user_id: &UserId, master: &str) -> Vec<u8> {
    [PURPOSE, user_id.as_str(), master].join("\n").into_bytes()
}

fn parse_line(line: &str) -> Option<(String, XChaCha20Poly1305)> {
    let (id, digits) = line.trim().split_once(' ')?;
    let is_id = !id.is_empty() && id.len() <= MAX_ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_graphic());
    let is_key = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut key = [0; 32];
    for (byte, pair) in key.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    (is_id && is_key).then(|| (id.to_owned(), XChaCha20Poly1305::new(&key.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, digit: char) -> String {
        format!("{id} {}\n", digit.to_string().repeat(64))
    }

    #[test]
    fn the_first_key_wraps_and_every_key_unwraps() {
        let ann: UserId = "ann".parse().unwrap();
        let old = line("old", '1').parse::<MasterKeys>().unwrap();
        let (id, wrapped) = old.wrap(&ann, &[7; 32]).unwrap();
        let both = (line("new", '2') + &line("old", '1')).parse::<MasterKeys>().unwrap();
        assert!(both.unwrap(&ann, &id, &wrapped).is_ok());
        let (id, wrapped) = both.wrap(&ann, &[7; 32]).unwrap();
        assert_eq!(id, "new");
        assert!(matches!(old.unwrap(&ann, &id, &wrapped), Err(KeyError::UnknownMaster { .. })));
    }

    #[test]
    fn a_wrapped_key_is_bound_to_its_user_and_its_master_key() {
        let [ann, ben]: [UserId; 2] = ["ann", "ben"].map(|name| name.parse().unwrap());
        let masters = (line("a", '1') + &line("b", '1')).parse::<MasterKeys>().unwrap();
        let (id, wrapped) = masters.wrap(&ann, &[7; 32]).unwrap();
        assert!(masters.unwrap(&ann, &id, &wrapped).is_ok());
        assert!(matches!(masters.unwrap(&ben, &id, &wrapped), Err(KeyError::Corrupt(_))));
        assert!(matches!(masters.unwrap(&ann, "b", &wrapped), Err(KeyError::Corrupt(_))));
        assert!(matches!(masters.unwrap(&ann, &id, "AAAA"), Err(KeyError::Corrupt(_))));
    }

    #[test]
    fn an_invalid_key_file_is_refused_without_printing_it() {
        let secret = "5e".repeat(31);
        for bad in ["", "\n", &format!("a {secret}"), &format!("{secret}zz"), &format!("a {secret}zz")] {
            let error = bad.parse::<MasterKeys>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("5e5e"), "{bad}");
        }
        assert!(matches!((line("a", '1') + &line("a", '2')).parse::<MasterKeys>(), Err(MasterKeyError::Ids)));
        let keys = line("first", '1').parse::<MasterKeys>().unwrap();
        assert_eq!(format!("{keys:?}"), r#"["first"]"#);
    }
}
