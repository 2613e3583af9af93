//! The data folder of a PostgreSQL server. Tests copy a template, because creating a folder takes seconds.

use std::{
    fs::{File, Permissions},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use super::{DATABASE, PostgresOptions, SUPERUSER, Secrets};
use crate::{
    checkout::{Checkout, ServerAccount, create_open},
    command::output_of,
    tools::PostgresServer,
};

/// The version of the template. A new number makes a new template.
const TEMPLATE: u32 = 2;

/// Creates the data folder and the passwords if they are missing.
pub(super) async fn create_if_missing(options: &PostgresOptions) -> anyhow::Result<()> {
    let data = options.data();
    if data.exists() {
        return Ok(());
    }
    create_open(&options.folder)?;
    // The passwords of another version stay valid: every start sets those of the roles.
    let secrets = Secrets::read(&options.folder).unwrap_or_else(|_| Secrets::random());
    secrets.write(&options.folder)?;
    let (server, account) = (options.server.clone(), options.account);
    blocking(move || create(&server, account, &data, &secrets, &[])).await
}

/// Copies the template of this server version to the data folder of `options`. The first use creates the template.
pub(super) async fn copy_template(checkout: &Checkout, options: &PostgresOptions) -> anyhow::Result<()> {
    let (checkout, server, account) = (checkout.clone(), options.server.clone(), options.account);
    let (folder, data) = (options.folder.clone(), options.data());
    blocking(move || {
        let template = template(&checkout, &server, account)?;
        create_open(&folder)?;
        std::fs::copy(Secrets::path(&template), Secrets::path(&folder)).context("cannot copy the template")?;
        output_of(Command::new("cp").arg("-a").args([&template.join("data"), &data])).map(drop)
    })
    .await
}

fn template(checkout: &Checkout, server: &PostgresServer, account: Option<ServerAccount>) -> anyhow::Result<PathBuf> {
    let cache = checkout.reachable.join("cache");
    create_open(&cache)?;
    let lock = File::create(cache.join("lock")).context("cannot lock the cache")?;
    lock.lock().context("cannot lock the cache")?;
    let (major, minor) = server.version;
    let template = cache.join(format!("postgres-{major}.{minor}-{TEMPLATE}"));
    // The password file is written last, so it marks a complete template.
    if !Secrets::path(&template).exists() {
        let _ = std::fs::remove_dir_all(&template);
        create_open(&template)?;
        let secrets = Secrets::random();
        create(server, account, &template.join("data"), &secrets, &["--wal-segsize=1", "--no-sync"])?;
        secrets.write(&template)?;
    }
    Ok(template)
}

/// Creates a data folder with the superuser and the database, atomically.
fn create(
    server: &PostgresServer,
    account: Option<ServerAccount>,
    data: &Path,
    secrets: &Secrets,
    extra: &[&str],
) -> anyhow::Result<()> {
    let parent = data.parent().context("a data folder has a parent")?;
    let draft = tempfile::Builder::new().prefix("new-").tempdir_in(parent).context("cannot create a data folder")?;
    create_open(draft.path())?;
    let new = draft.path().join("data");
    std::fs::create_dir(&new)?;
    std::fs::set_permissions(&new, Permissions::from_mode(0o700))?;
    let password_file = draft.path().join("password");
    crate::checkout::write_private(&password_file, secrets.superuser.as_bytes())?;
    if let Some(account) = account {
        account.chown(&new)?;
        account.chown(&password_file)?;
    }
    let command = |program: &str, mode: &[&str]| {
        let mut command = Command::new(server.bin.join(program));
        command.args(mode).arg("-D").arg(&new).current_dir("/");
        if let Some(account) = account {
            command.uid(account.uid).gid(account.gid);
        }
        command
    };
    output_of(
        command("initdb", &[])
            .args(["-U", SUPERUSER, "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "--pwfile"])
            .arg(&password_file)
            .args(extra),
    )?;
    // Single-user mode needs no running server.
    let statements = draft.path().join("statements");
    std::fs::write(&statements, format!("create database {DATABASE};\n")).context("cannot write a statement")?;
    output_of(command("postgres", &["--single"]).arg("postgres").stdin(File::open(&statements)?))?;
    std::fs::rename(&new, data).with_context(|| format!("cannot create {}", data.display()))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("a worker thread panicked")?
}
