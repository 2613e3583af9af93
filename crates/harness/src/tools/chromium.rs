//! Finds Chromium, or installs it with the system's package manager.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use crate::command::{on_path, output_of};

/// The names of the program in different packages.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

const NOT_FOUND: &str = "\
no Chromium was found: install the package `chromium` (on Debian: `apt-get install --no-install-recommends chromium`), \
or name the program of a Chromium or Chrome in BOXROOM_CHROMIUM";

/// Finds Chromium: `$BOXROOM_CHROMIUM`, or one on the path. If there is none, installs Debian's package, provided that
/// the system is Debian and this process runs as root.
pub fn chromium() -> anyhow::Result<PathBuf> {
    if let Some(program) = std::env::var_os("BOXROOM_CHROMIUM").map(PathBuf::from) {
        anyhow::ensure!(program.is_file(), "BOXROOM_CHROMIUM is set, but {} does not exist", program.display());
        return Ok(program);
    }
    if let Some(program) = installed() {
        return Ok(program);
    }
    if !rustix::process::geteuid().is_root() || !is_debian(Path::new("/etc/os-release")) {
        bail!(NOT_FOUND);
    }
    // Several tests may need it at once: one installs, the others wait and find it.
    let lock =
        File::create(std::env::temp_dir().join("boxroom-chromium.lock")).context("cannot lock the installation")?;
    lock.lock().context("cannot lock the installation")?;
    if let Some(program) = installed() {
        return Ok(program);
    }
    eprintln!("installing Debian's package chromium, about 120 MB ...");
    install().context(NOT_FOUND)?;
    let program = installed().context(NOT_FOUND)?;
    eprintln!("installed {}", program.display());
    Ok(program)
}

fn installed() -> Option<PathBuf> {
    NAMES.into_iter().find_map(on_path)
}

/// Derivatives of Debian have another package by this name, or none.
fn is_debian(os_release: &Path) -> bool {
    let release = std::fs::read_to_string(os_release).unwrap_or_default();
    release.lines().any(|line| line == "ID=debian") && on_path("apt-get").is_some()
}

fn install() -> anyhow::Result<()> {
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        // Waits while another process installs something.
        command.args(["--quiet", "--option", "DPkg::Lock::Timeout=300"]).args(arguments);
        output_of(command.env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update"])?;
    apt(&["install", "--yes", "--no-install-recommends", "chromium"])?;
    Ok(())
}
