//! The secrets of a test, and the search for them in its logs.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// The start of the second part of any signed token.
const TOKEN: &str = ".eyJ";
/// The end of the first line of a PEM file with a private key.
const PRIVATE_KEY: &str = "PRIVATE KEY-----";

/// The minimum length. Shorter texts can appear in a log for other reasons.
const SHORTEST: usize = 8;

/// The secrets of one test. Clones share their content.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Mutex<BTreeSet<String>>>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Secrets").finish_non_exhaustive()
    }
}

impl Secrets {
    /// Adds a secret that must not appear in a log. Ignores words of letters only, which can appear by chance.
    pub fn hide(&self, secret: &str) {
        let word = |letter: char| letter.is_ascii_alphabetic() || "-_".contains(letter);
        if secret.len() >= SHORTEST && !secret.chars().all(word) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(secret.to_owned());
        }
    }

    /// Hides the lines of all private files in a folder. A key takes one line or several.
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

    /// Returns the places in a folder's logs that contain a secret, each as `<path>:<line>`.
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
    fn a_secret_is_found_in_a_log_and_a_plain_word_is_not() {
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
