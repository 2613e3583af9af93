//! Folders: data kept between runs, a folder that PostgreSQL can reach, and scratch folders that remove themselves.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::Write,
    os::unix::{
        fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime},
};

use anyhow::{Context, ensure};

use crate::{command::output_of, secrets::Secrets};

/// An account of this machine for PostgreSQL when the harness runs as root, which PostgreSQL refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerAccount {
    /// The user id.
    pub uid: u32,
    /// The group id.
    pub gid: u32,
}

/// The folders of one checkout.
#[derive(Debug, Clone)]
pub struct Checkout {
    /// The root of the checkout.
    pub repository: PathBuf,
    /// Data kept between runs. Owned by the account of this process.
    pub local: PathBuf,
    /// Like `local`, but PostgreSQL's account can enter it.
    pub reachable: PathBuf,
    /// The account of PostgreSQL, if it differs from that of this process.
    pub account: Option<ServerAccount>,
}

impl Checkout {
    /// Returns the folders of the checkout in which this was compiled. Creates them if they are missing.
    pub fn current() -> anyhow::Result<Self> {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
        let repository = crates.and_then(Path::parent).context("the harness is outside its checkout")?.to_path_buf();
        let local = repository.join(".local");
        create_open(&local)?;
        let account = ServerAccount::if_needed()?;
        let reachable = match account {
            Some(account) if !account.reaches(&local)? => fallback(&repository)?,
            _ => local.clone(),
        };
        Ok(Self { repository, local, reachable, account })
    }
}

impl ServerAccount {
    fn if_needed() -> anyhow::Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        // The account must exist, because initdb looks it up.
        let account = ["postgres", "nobody"].into_iter().find_map(Self::named);
        account
            .map(Some)
            .context("PostgreSQL refuses to run as root, and neither of the accounts postgres and nobody exists")
    }

    fn named(name: &str) -> Option<Self> {
        let id = |flag| output_of(Command::new("id").args([flag, name])).ok()?.trim().parse().ok();
        Some(Self { uid: id("-u")?, gid: id("-g")? })
    }

    fn reaches(self, folder: &Path) -> anyhow::Result<bool> {
        let mut test = Command::new("test");
        test.arg("-x").arg(folder).uid(self.uid).gid(self.gid).current_dir("/").stderr(Stdio::null());
        Ok(test.status().context("cannot run test")?.success())
    }

    /// Changes the owner of `path` to this account.
    pub(crate) fn chown(self, path: &Path) -> anyhow::Result<()> {
        chown(path, Some(self.uid), Some(self.gid)).with_context(|| format!("cannot chown {}", path.display()))
    }
}

/// The same folder at every run, for a checkout that other accounts cannot enter (under /root, for example).
fn fallback(repository: &Path) -> anyhow::Result<PathBuf> {
    // /var/tmp survives a restart of the machine.
    let base = [Path::new("/var/tmp")].into_iter().find(|base| base.is_dir()).map(Path::to_path_buf);
    let folder = base.unwrap_or_else(std::env::temp_dir).join(format!("boxroom-{:016x}", fnv(repository)));
    create_open(&folder)?;
    let owner = std::fs::symlink_metadata(&folder).context("cannot read the attributes of the fallback folder")?;
    ensure!(owner.is_dir() && owner.uid() == 0, "{} belongs to another account: remove it", folder.display());
    Ok(folder)
}

/// A stable hash. That of the standard library may change with its version.
fn fnv(path: &Path) -> u64 {
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Creates a folder that other accounts may enter, regardless of the umask.
pub(crate) fn create_open(folder: &Path) -> anyhow::Result<()> {
    let create = || {
        std::fs::create_dir_all(folder)?;
        std::fs::set_permissions(folder, Permissions::from_mode(0o755))
    };
    create().with_context(|| format!("cannot create {}", folder.display()))
}

/// Creates a file that only its owner can read.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(content)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// A folder for one test's data and logs. Removed at the end, unless the test failed. A secret in a log also fails it.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    secrets: Secrets,
    in_use: AtomicBool,
    _lock: File,
}

/// The time for which the folder of a failed or killed test is kept.
const KEEP_FAILED_FOR: Duration = Duration::from_hours(24);

impl Scratch {
    /// Creates the folder. Also removes the old folders of killed processes.
    pub fn create() -> anyhow::Result<Self> {
        let base = std::env::temp_dir().join(format!("boxroom-scratch-{}", rustix::process::geteuid().as_raw()));
        create_open(&base)?;
        sweep(&base);
        let folder = tempfile::Builder::new().prefix("").tempdir_in(&base).context("cannot create a scratch folder")?;
        let path = folder.keep();
        create_open(&path)?;
        let lock = File::create(path.join("lock")).context("cannot create a scratch folder")?;
        lock.lock().context("cannot lock a scratch folder")?;
        Ok(Self { path, secrets: Secrets::default(), in_use: AtomicBool::new(false), _lock: lock })
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the logs.
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// The secrets that must not appear in its logs.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Marks the start as complete. From now on the files stay only if the test fails.
    pub fn started(&self) {
        self.in_use.store(true, Ordering::Relaxed);
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() || !*self.in_use.get_mut() {
            eprintln!("logs and data of this test are in {}", self.path.display());
            return;
        }
        let found = self.secrets.found_in(&self.logs());
        assert!(found.is_empty(), "the logs contain secrets:\n{}", found.join("\n"));
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn sweep(base: &Path) {
    for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
        let folder = entry.path();
        let touched = entry.metadata().and_then(|metadata| metadata.modified());
        let unused = || File::open(folder.join("lock")).is_ok_and(|lock| lock.try_lock().is_ok());
        if touched.is_ok_and(|time: SystemTime| time.elapsed().is_ok_and(|age| age > KEEP_FAILED_FOR)) && unused() {
            let _ = std::fs::remove_dir_all(&folder);
        }
    }
}
