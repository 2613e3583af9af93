//! A search for passwords and keys in committed files.

use std::path::Path;

use anyhow::ensure;

use crate::tracked;

/// Suffixes of files that hold secrets only.
const FILES: [&str; 6] = [".pem", ".key", ".p12", ".env", "credentials.json", "accounts.conf"];

/// Placeholders for passwords in examples and tests.
const EXAMPLES: [&str; 3] = ["secret", "password", "…"];

/// Fails if a file tracked by git contains what looks like a secret.
pub(crate) fn none_in(repository: &Path) -> anyhow::Result<()> {
    let found: Vec<String> = tracked::files(repository)?.iter().flat_map(|name| leaks(repository, name)).collect();
    ensure!(found.is_empty(), "these look like secrets:\n  {}", found.join("\n  "));
    Ok(())
}

fn leaks(repository: &Path, name: &str) -> Vec<String> {
    if FILES.iter().any(|end| name.ends_with(end)) {
        return vec![name.to_owned()];
    }
    // A deleted file may still be listed, and a binary file cannot hold these secrets.
    let content = std::fs::read_to_string(repository.join(name)).unwrap_or_default();
    let lines = content.lines().enumerate().filter(|(_, line)| is_leak(line));
    lines.map(|(number, _)| format!("{name}:{}", number + 1)).collect()
}

fn is_leak(line: &str) -> bool {
    let kinds = line.split("-----BEGIN ").skip(1).filter_map(|rest| rest.split_once("-----"));
    let key = kinds.into_iter().any(|(kind, _)| kind.ends_with("PRIVATE KEY"));
    let words = || line.split(|letter: char| !(letter.is_ascii_alphanumeric() || "-_.".contains(letter)));
    key || words().any(|word| is_token(word) || is_seed(word)) || has_password(line)
}

/// A signed token: three parts, the first of which is JSON.
fn is_token(word: &str) -> bool {
    let parts: Vec<_> = word.split('.').collect();
    parts.len() == 3 && parts[0].starts_with("eyJ") && parts[1].starts_with("eyJ") && parts[2].len() > 40
}

/// The seed of a NATS key, its private half.
fn is_seed(word: &str) -> bool {
    let base32 = |letter: char| letter.is_ascii_uppercase() || ('2'..='7').contains(&letter);
    word.len() == 58 && word.starts_with('S') && word.chars().all(base32)
}

/// A URL with a password that is not a placeholder.
fn has_password(line: &str) -> bool {
    line.match_indices("://").any(|(at, separator)| {
        let address =
            line[at + separator.len()..].split(|letter: char| letter.is_whitespace() || "/\"'`".contains(letter));
        let user = address.into_iter().next().and_then(|address| address.rsplit_once('@'));
        let password = user.and_then(|(user, _)| user.split_once(':')).map(|(_, password)| password);
        password.is_some_and(|password| !EXAMPLES.contains(&password) && !password.contains(['{', '$', '<']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_and_an_example_is_not() {
        let seed = format!("S{}", "A2".repeat(29)).split_at(58).0.to_owned();
        let token = format!("eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbmEifQ.{}", "x".repeat(86));
        let address = ["nats://admin", "p0123456789abcdef@127.0.0.1"].join(":");
        let key = ["-----BEGIN", "PRIVATE KEY-----"].join(" ");
        for leak in [&seed, &token, &address, &key] {
            assert!(is_leak(&format!("let it = \"{leak}\";")), "{leak}");
        }
        for example in [
            "nats://user:password@host:4222",
            "postgres://admin:secret@127.0.0.1:5432/boxroom",
            "nats://{user}:{password}@127.0.0.1",
            "http://127.0.0.1:4222",
            "authorization: Bearer eyJhbGciOiJub25lIn0.e30.",
            "const END: &str = \"PRIVATE KEY-----\";",
        ] {
            assert!(!is_leak(example), "{example}");
        }
    }
}
