//! The programs of the measured services.

use std::process::Stdio;

use anyhow::{Context, ensure};
use tokio::process::Command;

const PACKAGES: [&str; 4] = ["command-service", "projector", "query-service", "notifier"];

/// Builds the services as this program was built, if cargo runs it: otherwise they would be missing, or older.
pub(crate) async fn build() -> anyhow::Result<()> {
    let Some(cargo) = std::env::var_os("CARGO") else { return Ok(()) };
    let mut command = Command::new(cargo);
    command.arg("build").args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("SQLX_OFFLINE", "true").env_remove("DATABASE_URL");
    // The variables that cargo has set for this package are wrong for others.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
            command.env_remove(name);
        }
    }
    // Standard output is for results.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().await.context("cannot run cargo")?;
    ensure!(status.success(), "the services cannot be built");
    Ok(())
}
