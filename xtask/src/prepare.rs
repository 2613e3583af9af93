//! `cargo xtask prepare`: writes the metadata of checked queries, for builds without a database.

use std::{
    collections::BTreeMap,
    fs::{File, FileTimes},
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context, bail};
use clap::Args;
use harness::{Postgres, Role, checkout::Checkout};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::process::Command;

use crate::{cargo, console};

/// The packages with checked queries.
const PACKAGES: [&str; 3] = ["projector", "query-service", "notifier"];

const EXAMPLES: &str = "\
Examples:
  cargo xtask prepare            after a change of a query or of a table
  cargo xtask prepare --check    fails if .sqlx is out of date";

/// Update the query metadata in .sqlx, so that building needs no database.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Prepare {
    /// Change nothing; fail if the files are out of date
    #[arg(long)]
    pub(crate) check: bool,
}

type Files = BTreeMap<String, Vec<u8>>;

impl Prepare {
    /// Compiles the queries against a temporary database, and compares or replaces `.sqlx/`.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let checkout = Checkout::current()?;
        let mut command = cargo::cargo(&checkout.repository);
        command.args(["check", "--quiet", "--all-targets"]);
        for package in PACKAGES {
            command.args(["--package", package]);
        }
        self.compare(&checkout, &mut command).await
    }

    /// Lints the workspace, and checks the queries in the same pass.
    pub(crate) async fn lint() -> anyhow::Result<()> {
        let checkout = Checkout::current()?;
        let mut command = cargo::cargo(&checkout.repository);
        command.args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]);
        Self { check: true }.compare(&checkout, &mut command).await
    }

    async fn compare(self, checkout: &Checkout, compile: &mut Command) -> anyhow::Result<()> {
        let kept = checkout.repository.join(".sqlx");
        let wanted = compile_queries(checkout, compile).await?;
        let present = read(&kept)?;
        if wanted == present {
            console::print(&format!("the files of {} queries in .sqlx are up to date", wanted.len()));
            return Ok(());
        }
        let differing = differing(&present, &wanted);
        if self.check {
            bail!(
                "{} of the queries' files in .sqlx are out of date: run `cargo xtask prepare` and commit them\n  {}",
                differing.len(),
                differing.join("\n  ")
            );
        }
        replace(&kept, &present, &wanted)?;
        console::print(&format!("wrote the files of {} queries to .sqlx, {} changed", wanted.len(), differing.len()));
        Ok(())
    }
}

/// Compiles the packages with this command against a fresh database. The macros write the metadata of each query.
async fn compile_queries(checkout: &Checkout, command: &mut Command) -> anyhow::Result<Files> {
    let postgres = Postgres::start().await?;
    create_tables(&checkout.repository, &postgres.url(Role::Admin)).await?;
    let answers = tempfile::tempdir().context("cannot create a folder for the answers")?;
    let address = format!("{}?options[search_path]=read_g1,control,delivery", postgres.url(Role::Admin));
    let touched_files = PACKAGES.map(|package| TouchedFile::new(checkout.repository.join(package).join("src/lib.rs")));
    command.env("DATABASE_URL", address).env("SQLX_OFFLINE", "false").env("SQLX_OFFLINE_DIR", answers.path());
    let checked = cargo::run(command).await;
    drop(touched_files);
    checked?;
    read(answers.path())
}

async fn create_tables(repository: &Path, address: &str) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(address).await?;
    let run = async |connection: &mut PgConnection, statements: String| {
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(connection).await
    };
    for (schema, folder) in [("control", "control"), ("read_g1", "read_model"), ("delivery", "delivery")] {
        let prepared = format!("create schema if not exists {schema}; set search_path = {schema}");
        run(&mut connection, prepared).await?;
        for (name, content) in read(&repository.join("migrations").join(folder))? {
            let statements = String::from_utf8(content).with_context(|| format!("{name} is no text"))?;
            run(&mut connection, statements).await.with_context(|| format!("migrations/{folder}/{name}"))?;
        }
    }
    connection.close().await?;
    Ok(())
}

/// Reads the files of one folder by name, with their line ends.
fn read(folder: &Path) -> anyhow::Result<Files> {
    let mut files = Files::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let content = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        files.insert(name, content);
    }
    Ok(files)
}

fn differing(present: &Files, wanted: &Files) -> Vec<String> {
    let names = present.keys().chain(wanted.keys()).collect::<std::collections::BTreeSet<_>>();
    let word = |name: &String| match (present.get(name), wanted.get(name)) {
        (None, _) => Some("missing"),
        (_, None) => Some("unused"),
        (old, new) if old != new => Some("changed"),
        _ => None,
    };
    names.into_iter().filter_map(|name| Some(format!("{} {name}", word(name)?))).collect()
}

fn replace(folder: &Path, present: &Files, wanted: &Files) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for (name, content) in wanted {
        std::fs::write(folder.join(name), content).with_context(|| format!("cannot write {name}"))?;
    }
    for name in present.keys().filter(|name| !wanted.contains_key(*name)) {
        std::fs::remove_file(folder.join(name)).with_context(|| format!("cannot remove {name}"))?;
    }
    Ok(())
}

/// A source file with a new modification time until dropped, so that cargo expands its crate's macros again.
struct TouchedFile {
    path: PathBuf,
    before: Option<SystemTime>,
}

impl TouchedFile {
    fn new(path: PathBuf) -> Self {
        let before = std::fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
        set_modified(&path, SystemTime::now());
        Self { path, before }
    }
}

impl Drop for TouchedFile {
    fn drop(&mut self) {
        // Other builds of this crate are still valid.
        if let Some(before) = self.before {
            set_modified(&self.path, before);
        }
    }
}

fn set_modified(path: &Path, time: SystemTime) {
    if let Ok(file) = File::options().write(true).open(path) {
        let _ = file.set_times(FileTimes::new().set_modified(time));
    }
}
