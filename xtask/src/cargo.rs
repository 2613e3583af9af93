//! Invocations of cargo.

use std::{path::Path, process::Stdio};

use anyhow::{Context, ensure};
use tokio::process::Command;

/// The packages of the services' programs, and of the one that creates operators.
const PROGRAMS: [&str; 6] =
    ["command-service", "projector", "query-service", "notifier", "operator-gateway", "boxroomctl"];

/// Creates an invocation of the cargo that runs this program, in this repository. Needs no database: queries are
/// checked against the files written by `prepare`.
pub(crate) fn cargo(repository: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(repository).env("SQLX_OFFLINE", "true").env_remove("DATABASE_URL");
    // The variables that cargo has set for this package are wrong for others.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Builds the services and `boxroomctl`.
pub(crate) async fn build_services(repository: &Path, release: bool) -> anyhow::Result<()> {
    let mut command = cargo(repository);
    command.arg("build");
    for program in PROGRAMS {
        command.args(["--package", program]);
    }
    if release {
        command.arg("--release");
    }
    // Standard output is for results.
    run(command.stdout(Stdio::null())).await
}

/// Runs a command to its end. A failure is an error that names the command.
pub(crate) async fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = line(command);
    let status = command.status().await.with_context(|| format!("cannot run {line}"))?;
    ensure!(status.success(), "`{line}` failed ({status})");
    Ok(())
}

fn line(command: &Command) -> String {
    let words = command.as_std().get_args().map(|word| word.to_string_lossy().into_owned());
    std::iter::once("cargo".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}
