//! The folder of an installed peer, kept between runs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, ensure};
use harness::checkout::Checkout;
use tokio::process::Command;

/// Writes the files of a peer to a folder of its own, and returns the folder.
pub(super) fn write(name: &str, files: &[(&str, &str)]) -> anyhow::Result<PathBuf> {
    let folder = Checkout::current()?.local.join("peers").join(name);
    for (file, content) in files {
        let path = folder.join(file);
        let parent = path.parent().context("a file without a folder")?;
        fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        // An unchanged file keeps its time, so that nothing is built again.
        if fs::read_to_string(&path).ok().as_deref() != Some(content) {
            fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(folder)
}

/// Runs an installer in a folder to its end, and returns its output. Its errors are part of an error.
pub(super) async fn install(folder: &Path, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).current_dir(folder).stdin(Stdio::null()).output().await;
    let output = output.with_context(|| format!("cannot run {program}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {} failed: {}", arguments.join(" "), errors.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
