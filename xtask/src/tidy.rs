//! Checks the language and the shape of Rust files: how doc comments begin, words that hide the subject, long lines.

use std::path::Path;

use anyhow::ensure;

use crate::tracked;

/// First words of a doc comment that turn a description into a riddle.
const WH_WORDS: [&str; 11] =
    ["what", "who", "whose", "whom", "whoever", "which", "how", "whether", "where", "when", "why"];

/// The share of doc comments, in percent, that may begin with one of [`WH_WORDS`].
const WH_LIMIT: usize = 3;

/// Words that stand for a component that has a name.
const HIDDEN_SUBJECTS: [&str; 4] = ["somebody", "nobody", "whoever", "whom"];

/// The longest line, in characters.
const MAX_WIDTH: usize = 120;

/// Fails if a tracked Rust file breaks a rule, and names each place.
pub(crate) fn check(repository: &Path) -> anyhow::Result<()> {
    let is_rust = |name: &String| Path::new(name).extension().is_some_and(|extension| extension == "rs");
    let names = tracked::files(repository)?.into_iter().filter(is_rust);
    let mut found = Findings::default();
    for name in names {
        // A deleted file may still be tracked.
        let content = std::fs::read_to_string(repository.join(&name)).unwrap_or_default();
        found.add(&name, &content);
    }
    let Findings { doc_comments, wh_openings, places } = found;
    ensure!(places.is_empty(), "these lines break a rule of CONTRIBUTING.md:\n  {}", places.join("\n  "));
    ensure!(
        wh_openings.len() * 100 < doc_comments * WH_LIMIT,
        "{} of {doc_comments} doc comments begin with a wh-word; fewer than {WH_LIMIT} % may:\n  {}",
        wh_openings.len(),
        wh_openings.join("\n  ")
    );
    Ok(())
}

/// The findings in all files read so far.
#[derive(Debug, Default)]
struct Findings {
    doc_comments: usize,
    wh_openings: Vec<String>,
    places: Vec<String>,
}

impl Findings {
    fn add(&mut self, name: &str, content: &str) {
        let mut inside = false;
        for (number, line) in (1..).zip(content.lines()) {
            let place = || format!("{name}:{number}");
            if line.chars().count() > MAX_WIDTH {
                self.places.push(format!("{}: longer than {MAX_WIDTH} columns", place()));
            }
            let Some(comment) = comment(line) else {
                inside = false;
                continue;
            };
            if let Some(word) = words(comment.text).find(|word| HIDDEN_SUBJECTS.contains(&word.as_str())) {
                self.places.push(format!("{}: `{word}` instead of a component or a role", place()));
            }
            let first = words(comment.text).next().filter(|_| comment.is_doc && !inside);
            inside = comment.is_doc;
            let Some(first) = first else { continue };
            self.doc_comments += 1;
            if WH_WORDS.contains(&first.as_str()) {
                self.wh_openings.push(place());
            }
        }
    }
}

/// A line that is a comment and nothing else.
struct Comment<'a> {
    text: &'a str,
    is_doc: bool,
}

fn comment(line: &str) -> Option<Comment<'_>> {
    let text = line.trim_start().strip_prefix("//")?;
    let doc = text.strip_prefix(['/', '!']);
    Some(Comment { text: doc.unwrap_or(text), is_doc: doc.is_some() })
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphabetic());
    words.filter(|word| !word.is_empty()).map(str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(content: &str) -> Findings {
        let mut findings = Findings::default();
        findings.add("a.rs", content);
        findings
    }

    #[test]
    fn counts_the_first_line_of_each_doc_comment() {
        let found =
            findings("//! Who calls.\n\n/// Returns the room\n/// whose id it is.\nfn a() {}\n/// Whether it is.\n");
        assert_eq!((found.doc_comments, found.wh_openings), (3, vec!["a.rs:1".to_owned(), "a.rs:6".to_owned()]));
    }

    #[test]
    fn names_each_place_that_breaks_a_rule() {
        let wide = format!("let a = \"{}\";", "ü".repeat(MAX_WIDTH));
        let found = findings(&format!("// Nobody reads it.\n{wide}\nlet nobody = 1;\n"));
        assert_eq!(found.places.len(), 2, "{:?}", found.places);
        assert!(found.places[0].starts_with("a.rs:1: `nobody`") && found.places[1].starts_with("a.rs:2: longer"));
    }
}
