//! Finds Node, and builds the TypeScript client and the web page with it.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};

use crate::{
    checkout::Checkout,
    command::{on_path, output_of},
};

/// The first version with everything that the client and its tests use.
const OLDEST: u32 = 20;

const NOT_FOUND: &str = "\
Node 20 or later and npm are missing: the TypeScript client and the web page are built with them. Install them so that \
`node` and `npm` are on the path, or name the program of Node in BOXROOM_NODE, with npm beside it or on the path";

/// An installed Node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The path of the program.
    pub program: PathBuf,
    /// The path of npm.
    pub npm: PathBuf,
}

/// Finds Node and npm: `$BOXROOM_NODE`, or those on the path.
pub fn node() -> anyhow::Result<Node> {
    let program = match std::env::var_os("BOXROOM_NODE").map(PathBuf::from) {
        Some(program) => {
            ensure!(program.is_file(), "BOXROOM_NODE is set, but {} does not exist", program.display());
            program
        }
        None => on_path("node").context(NOT_FOUND)?,
    };
    let version = output_of(Command::new(&program).arg("--version")).context(NOT_FOUND)?;
    ensure!(major(&version).is_some_and(|major| major >= OLDEST), "Node is {}: {NOT_FOUND}", version.trim());
    let beside = program.with_file_name("npm");
    let npm = if beside.is_file() { beside } else { on_path("npm").context(NOT_FOUND)? };
    Ok(Node { program, npm })
}

/// The packages of the web page, each after those that it uses.
const PAGE: [&str; 3] = ["clients/typescript", "clients/react", "web"];

/// Installs the pinned development dependencies of the TypeScript client. Returns its folder.
pub fn install_typescript_client(checkout: &Checkout) -> anyhow::Result<PathBuf> {
    let _lock = lock(checkout)?;
    install(checkout, "clients/typescript")
}

/// Installs and builds the web page. Returns the folder of its files.
pub fn build_page(checkout: &Checkout) -> anyhow::Result<PathBuf> {
    let _lock = lock(checkout)?;
    let packages: Vec<PathBuf> = PAGE.iter().map(|package| install(checkout, package)).collect::<Result<_, _>>()?;
    // The first one is built with the second one.
    for package in &packages[1..] {
        npm(package, &["run", "build"])?;
    }
    Ok(checkout.repository.join("web/dist"))
}

/// Locks the packages: several tests may need them at once.
fn lock(checkout: &Checkout) -> anyhow::Result<File> {
    let lock = File::create(checkout.local.join("typescript.lock")).context("cannot lock the installation")?;
    lock.lock().context("cannot lock the installation")?;
    Ok(lock)
}

fn install(checkout: &Checkout, package: &str) -> anyhow::Result<PathBuf> {
    let package = checkout.repository.join(package);
    if !is_installed(&package) {
        npm(&package, &["ci", "--include=dev", "--no-audit", "--no-fund"])?;
    }
    Ok(package)
}

/// Installs and compiles the TypeScript client. Returns its folder.
pub fn build_typescript_client(checkout: &Checkout) -> anyhow::Result<PathBuf> {
    let package = install_typescript_client(checkout)?;
    npm(&package, &["run", "build"])?;
    Ok(package)
}

/// Runs npm in the folder of the package. An error contains the output.
pub fn npm(package: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let Node { program, npm } = node()?;
    let folder = program.parent().unwrap_or(Path::new("/"));
    let others = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(folder.to_path_buf()).chain(std::env::split_paths(&others)))?;
    let mut command = Command::new(npm);
    let output = command.args(arguments).current_dir(package).env("PATH", path).output().context("cannot run npm")?;
    ensure!(
        output.status.success(),
        "npm {} failed ({}):\n{}{}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Returns true if the dependencies are those of the lock file.
fn is_installed(package: &Path) -> bool {
    let modified = |name: &str| std::fs::metadata(package.join(name)).and_then(|metadata| metadata.modified()).ok();
    modified("node_modules/.package-lock.json")
        .is_some_and(|installed| Some(installed) >= modified("package-lock.json"))
}

/// Returns the first number of a version like `v20.1.0`.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read() {
        assert_eq!([major("v20.20.2\n"), major("v4"), major("20.1"), major("")], [Some(20), Some(4), None, None]);
    }
}
