//! What must not be in any log, and whether it is.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// How the second part of a signed token begins, whoever has signed it.
const TOKEN: &str = ".eyJ";
/// How the private half of a key begins, where keys are files.
const PRIVATE_KEY: &str = "PRIVATE KEY-----";

/// What is shorter could be said for another reason.
const SHORTEST: usize = 8;

/// The secrets of one test. All clones are the same.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Mutex<BTreeSet<String>>>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Secrets").finish_non_exhaustive()
    }
}

impl Secrets {
    /// From now on this must not be in a log. Single words of letters are left out, they may be there by chance.
    pub fn hide(&self, secret: &str) {
        let word = |letter: char| letter.is_ascii_alphabetic() || "-_".contains(letter);
        if secret.len() >= SHORTEST && !secret.chars().all(word) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(secret.to_owned());
        }
    }

    /// Hides the lines of all private files in a folder: keys are there in one line or several.
    pub(crate) fn hide_folder(&self, folder: &Path) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                self.hide_folder(&entry.path());
            }
            let content = std::fs::read_to_string(entry.path()).unwrap_or_default();
            if content.contains("PUBLIC KEY") {
                continue;
            }
            content.lines().filter(|line| !line.starts_with("-----")).for_each(|line| self.hide(line.trim()));
        }
    }

    /// The places in a folder's logs that hold one of them.
    pub(crate) fn found_in(&self, logs: &Path) -> Vec<String> {
        let secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_secret = |line: &str| {
            line.contains(TOKEN) || line.contains(PRIVATE_KEY) || secrets.iter().any(|secret| line.contains(secret))
        };
        let mut found = Vec::new();
        for entry in std::fs::read_dir(logs).into_iter().flatten().flatten() {
            let content = std::fs::read(entry.path()).unwrap_or_default();
            for (number, line) in String::from_utf8_lossy(&content).lines().enumerate() {
                if is_secret(line) {
                    found.push(format!("{}:{}", entry.path().display(), number + 1));
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_a_log_and_a_word_is_none() {
        let (keys, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(keys.path().join("one"), "-----BEGIN\nMC4CAQAwBQ\n-----END\n").unwrap();
        std::fs::write(keys.path().join("two"), "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2\n").unwrap();
        let secrets = Secrets::default();
        secrets.hide_folder(keys.path());
        for secret in ["open sesame", "wrong-password", "a b"] {
            secrets.hide(secret);
        }
        let said =
            "wrong-password a b MCowBQYDK2\nhe said open sesame\nMC4CAQAwBQ\nBearer eyJhbGci.eyJzdWIi\nnothing\n";
        std::fs::write(logs.path().join("a.log"), said).unwrap();
        let found = secrets.found_in(logs.path());
        let numbers: Vec<_> = found.iter().filter_map(|place| place.rsplit(':').next()).collect();
        assert_eq!(numbers, ["2", "3", "4"]);
    }
}
