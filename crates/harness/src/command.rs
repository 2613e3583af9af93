//! Short programs that are run to their end.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};

/// Returns the first program of this name on the path.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Runs a short program to its end and returns its output. An error contains the standard error.
pub(crate) fn output_of(command: &mut Command) -> anyhow::Result<String> {
    let program = PathBuf::from(command.get_program());
    let output = command.output().with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(
        output.status.success(),
        "{} failed ({}): {}",
        file_name(&program),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
