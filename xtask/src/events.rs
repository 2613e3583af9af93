//! `cargo xtask events`: writes the catalogue of stored events, `docs/events.md`, from the sources.

mod catalogue;
mod json;
mod page;
mod readers;
mod source;

use std::path::Path;

use anyhow::{Context, ensure};
use clap::Args;
use harness::checkout::Checkout;

use self::catalogue::Catalogue;
use crate::console;

/// The written document.
const DOCUMENT: &str = "docs/events.md";

const EXAMPLES: &str = "\
Examples:
  cargo xtask events            after a change of an event
  cargo xtask events --check    fails if docs/events.md is out of date";

/// Update docs/events.md, the catalogue of stored events, from the sources.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Events {
    /// Change nothing; fail if the document is out of date
    #[arg(long)]
    check: bool,
}

impl Events {
    /// Writes or compares the document.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let repository = Checkout::current()?.repository;
        if self.check {
            return check(&repository);
        }
        let page = Catalogue::read(&repository)?.page()?;
        std::fs::write(repository.join(DOCUMENT), page).with_context(|| format!("cannot write {DOCUMENT}"))?;
        console::print(&format!("wrote {DOCUMENT}"));
        Ok(())
    }
}

/// Fails if the document differs from the sources.
pub(crate) fn check(repository: &Path) -> anyhow::Result<()> {
    let present = std::fs::read_to_string(repository.join(DOCUMENT)).unwrap_or_default();
    let wanted = Catalogue::read(repository)?.page()?;
    ensure!(present == wanted, "{DOCUMENT} is out of date: run `cargo xtask events` and commit it");
    Ok(())
}
