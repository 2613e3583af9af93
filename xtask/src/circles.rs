//! A search for circles of imports: three or more files of a crate that all depend on each other.

mod crates;
mod source;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context, ensure};

use self::crates::Arrows;
use crate::tracked;

/// The largest allowed circle: a file and one of its parts may know each other.
const LARGEST: usize = 2;

/// Fails if three or more files of a crate import each other in a circle, and names the imports.
pub(crate) fn check(repository: &Path) -> anyhow::Result<()> {
    let read = |name: &str| std::fs::read_to_string(repository.join(name)).ok();
    let mut found = Vec::new();
    for root in tracked::files(repository)?.iter().filter(|name| is_root(name)) {
        let arrows = crates::arrows(root, &read).with_context(|| format!("cannot read the crate of {root}"))?;
        let circles = circles(&arrows).into_iter().filter(|circle| circle.len() > LARGEST);
        found.extend(circles.map(|circle| described(&circle, &arrows)));
    }
    ensure!(found.is_empty(), "these files import each other in a circle:\n\n{}", found.join("\n\n"));
    Ok(())
}

/// Returns true for the first file of a library or a program. Crates of tests are not checked.
fn is_root(name: &str) -> bool {
    let parts: Vec<_> = name.split('/').collect();
    let is_test = parts.contains(&"tests");
    !is_test
        && matches!(parts[..], [.., "src", "lib.rs" | "main.rs"] | [.., "src", "bin", _] | [.., "bin", _, "main.rs"])
}

/// Returns the largest groups of files in which each one reaches all others.
fn circles(arrows: &Arrows) -> Vec<BTreeSet<&str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        arrows.keys().map(|file| (file.as_str(), reached_from(file, arrows))).collect();
    let mut circles: Vec<BTreeSet<&str>> = Vec::new();
    for (file, others) in &reached {
        let returns = |other: &&str| reached.get(other).is_some_and(|back| back.contains(file));
        if others.contains(file) && !circles.iter().any(|circle| circle.contains(file)) {
            circles.push(others.iter().copied().filter(returns).collect());
        }
    }
    circles
}

fn reached_from<'a>(file: &str, arrows: &'a Arrows) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![file];
    while let Some(file) = open.pop() {
        for next in arrows.get(file).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(next.as_str()) {
                open.push(next);
            }
        }
    }
    reached
}

fn described(circle: &BTreeSet<&str>, arrows: &Arrows) -> String {
    let mut lines = vec![format!("a circle of {} files:", circle.len())];
    for (from, targets) in arrows.iter().filter(|(from, _)| circle.contains(from.as_str())) {
        for (to, names) in targets.iter().filter(|(to, _)| circle.contains(to.as_str())) {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            lines.push(format!("  {from} -> {to}: {}", names.join(", ")));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrows(files: &[(&str, &str)]) -> Arrows {
        let files: BTreeMap<_, _> = files.iter().copied().collect();
        crates::arrows("src/lib.rs", &|name| files.get(name).map(|content| (*content).to_owned())).unwrap()
    }

    fn lines(arrows: &Arrows) -> Vec<String> {
        let files = arrows.iter().flat_map(|(from, targets)| targets.keys().map(move |to| (from, to)));
        let short = |name: &str| name.trim_start_matches("src/").trim_end_matches(".rs").to_owned();
        files.map(|(from, to)| format!("{} -> {}", short(from), short(to))).collect()
    }

    #[test]
    fn finds_imports_and_inline_paths() {
        let found = arrows(&[
            ("src/lib.rs", "mod a;\nmod b;\nmod c;"),
            ("src/a.rs", "mod part;\nuse crate::{b::{B, other as o}, c};\nfn f() { ..part::g() }"),
            ("src/a/part.rs", "pub(super) fn g() { vec![super::super::c::C] }"),
            ("src/b.rs", "use std::fmt;\n#[arg(parser = crate::c::parse)]\npub struct B(fmt::Error);"),
            ("src/c.rs", "/// Not [`crate::b::B`].\npub struct C;\nfn s() { \"crate::b::B\"; }"),
        ]);
        assert_eq!(lines(&found), ["a -> a/part", "a -> b", "a -> c", "a/part -> c", "b -> c"]);
        assert_eq!(found["src/a.rs"]["src/b.rs"], BTreeSet::from(["B".to_owned(), "other".to_owned()]));
    }

    #[test]
    fn declarations_tests_and_reexports_are_no_imports() {
        let found = arrows(&[
            ("src/lib.rs", "mod a;\n#[cfg(test)]\nmod tests;\npub use a::Public;"),
            ("src/a.rs", "mod part;\npub(crate) use part::Part;\npub struct Public;"),
            ("src/a/part.rs", "pub struct Part;\n#[cfg(test)]\nmod tests { use super::super::Public; }"),
        ]);
        assert_eq!(lines(&found), [""; 0]);
    }

    #[test]
    fn a_reexport_that_its_own_file_uses_is_an_import() {
        let found =
            arrows(&[("src/lib.rs", "mod a;\npub use a::A;\npub struct Holder(A);"), ("src/a.rs", "pub struct A;")]);
        assert_eq!(lines(&found), ["lib -> a"]);
    }

    #[test]
    fn a_name_leads_to_the_file_that_defines_it() {
        let found = arrows(&[
            ("src/lib.rs", "mod a;\nmod b;\nmod c;"),
            ("src/a.rs", "mod one;\nmod two;\npub use one::One;\npub use two::*;\npub struct Own;"),
            ("src/a/one.rs", "pub struct One;"),
            ("src/a/two.rs", "use super::One;\npub struct Two;"),
            ("src/b.rs", "use crate::a::{One, Two};"),
            ("src/c.rs", "use crate::a::{self, Own};\nfn f() { a::Two; a::missing!() }"),
        ]);
        let expected = ["a/two -> a/one", "b -> a/one", "b -> a/two", "c -> a", "c -> a/two"];
        assert_eq!(lines(&found), expected);
    }

    #[test]
    fn only_files_that_reach_each_other_are_a_circle() {
        let found = arrows(&[
            ("src/lib.rs", "mod a;\nmod b;\nmod c;\nmod d;"),
            ("src/a.rs", "use crate::b::B;\npub struct A;"),
            ("src/b.rs", "use crate::c::C;\npub struct B;"),
            ("src/c.rs", "use crate::{a::A, d::D};\npub struct C;"),
            ("src/d.rs", "pub struct D;"),
        ]);
        let circles = circles(&found);
        assert_eq!(circles, [BTreeSet::from(["src/a.rs", "src/b.rs", "src/c.rs"])]);
        assert_eq!(
            described(&circles[0], &found),
            "a circle of 3 files:\n  src/a.rs -> src/b.rs: B\n  src/b.rs -> src/c.rs: C\n  src/c.rs -> src/a.rs: A"
        );
    }

    #[test]
    fn libraries_and_programs_have_a_first_file() {
        let names =
            ["xtask/src/main.rs", "a/src/bin/b.rs", "a/src/bin/c/main.rs", "a/src/bin/c/d.rs", "tests/src/lib.rs"];
        assert_eq!(names.map(is_root), [true, true, true, false, false]);
    }
}
