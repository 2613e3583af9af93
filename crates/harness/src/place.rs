//! Folders: what is kept between runs, what PostgreSQL must be able to reach, and scratch space that cleans itself up.

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

use crate::{process::output_of, secrets::Secrets};

/// An account of this machine that PostgreSQL runs as when we are root, which it refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerAccount {
    /// The account's number.
    pub uid: u32,
    /// Its group's number.
    pub gid: u32,
}

/// The folders of one checkout.
#[derive(Debug, Clone)]
pub struct Place {
    /// The checkout.
    pub repository: PathBuf,
    /// What is kept between runs. Ours alone.
    pub local: PathBuf,
    /// Like `local`, but reachable for PostgreSQL's account.
    pub reachable: PathBuf,
    /// Who PostgreSQL runs as, if not us.
    pub account: Option<ServerAccount>,
}

impl Place {
    /// The checkout that this was compiled in. Creates its folders.
    pub fn of_this_checkout() -> anyhow::Result<Self> {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
        let repository = crates.and_then(Path::parent).context("the harness has left its checkout")?.to_path_buf();
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
        // initdb looks the account up, so a made-up number will not do.
        let account = ["postgres", "nobody"].into_iter().find_map(Self::named);
        account.map(Some).context(
            "PostgreSQL refuses to run as root, and there is neither an account postgres nor nobody to run it as",
        )
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

    /// Gives `path` to this account.
    pub(crate) fn own(self, path: &Path) -> anyhow::Result<()> {
        chown(path, Some(self.uid), Some(self.gid)).with_context(|| format!("cannot chown {}", path.display()))
    }
}

/// A folder outside a checkout that is closed to others (under /root, say), the same one at every run.
fn fallback(repository: &Path) -> anyhow::Result<PathBuf> {
    // Survives a restart of the machine, where there is such a folder.
    let base = [Path::new("/var/tmp")].into_iter().find(|base| base.is_dir()).map(Path::to_path_buf);
    let folder = base.unwrap_or_else(std::env::temp_dir).join(format!("boxroom-{:016x}", fnv(repository)));
    create_open(&folder)?;
    let owner = std::fs::symlink_metadata(&folder).context("cannot look at the fallback folder")?;
    ensure!(owner.is_dir() && owner.uid() == 0, "{} belongs to somebody else: remove it", folder.display());
    Ok(folder)
}

/// A stable hash: the standard library's may change with its version.
fn fnv(path: &Path) -> u64 {
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Creates a folder that others may enter, whatever the umask says.
pub(crate) fn create_open(folder: &Path) -> anyhow::Result<()> {
    let create = || {
        std::fs::create_dir_all(folder)?;
        std::fs::set_permissions(folder, Permissions::from_mode(0o755))
    };
    create().with_context(|| format!("cannot create {}", folder.display()))
}

/// Creates a file that only its owner may read.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(content)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// A folder for one test's data and logs. Removed at the end, unless the test failed, as it also does if one of its
/// secrets is in a log.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    secrets: Secrets,
    in_use: AtomicBool,
    _lock: File,
}

/// How long the folder of a failed or killed test is left for reading.
const KEPT: Duration = Duration::from_hours(24);

impl Scratch {
    /// Creates it. Also removes those that killed processes left long ago.
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

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where logs go.
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// What must not be in its logs.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// What was to be started here has been: from now on only a failing test leaves its files.
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
        assert!(found.is_empty(), "there are secrets in logs:\n{}", found.join("\n"));
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn sweep(base: &Path) {
    for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
        let folder = entry.path();
        let touched = entry.metadata().and_then(|metadata| metadata.modified());
        let unused = || File::open(folder.join("lock")).is_ok_and(|lock| lock.try_lock().is_ok());
        if touched.is_ok_and(|time: SystemTime| time.elapsed().is_ok_and(|age| age > KEPT)) && unused() {
            let _ = std::fs::remove_dir_all(&folder);
        }
    }
}
