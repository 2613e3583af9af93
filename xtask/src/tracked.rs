//! The files that git tracks.

use std::{path::Path, process::Command};

use anyhow::{Context, ensure};

/// Returns the names of all tracked files, relative to the repository.
pub(crate) fn files(repository: &Path) -> anyhow::Result<Vec<String>> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(repository).output();
    let listed = listed.context("cannot run git")?;
    ensure!(listed.status.success(), "git lists no files: {}", String::from_utf8_lossy(&listed.stderr).trim());
    let names = String::from_utf8(listed.stdout).context("git lists names that are no text")?;
    Ok(names.split_terminator('\0').map(str::to_owned).collect())
}
