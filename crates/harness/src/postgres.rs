//! A PostgreSQL of our own: for a test in scratch space, or one whose data is kept.

mod cluster;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use provision::roles::{self, RolePasswords};
use rustix::process::Signal;
use tokio::sync::Mutex;

use crate::{
    certificates::Certificates,
    output::Output,
    place::{Place, Scratch, ServerAccount, write_private},
    port::Port,
    process::{Launch, Orphaned, Process},
    tools::{self, PostgresServer},
};

/// How long a start may take: recovery after a crash included.
const START: Duration = Duration::from_mins(1);
/// How long a stop may take before it becomes a kill.
const STOP: Duration = Duration::from_millis(2_500);
/// The superuser's name.
const SUPERUSER: &str = "admin";
/// The database's name.
const DATABASE: &str = "boxroom";

/// Whom to connect as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The superuser: for looking at things in a test, never for a service.
    Admin,
    /// Writes the read models.
    Projector,
    /// Reads them.
    Query,
    /// Somebody who looks at tables.
    Operator,
}

/// Which server to start, and where.
#[derive(Debug)]
pub struct PostgresOptions {
    /// The programs.
    pub server: PostgresServer,
    /// The folder of data and passwords; kept by the caller.
    pub folder: PathBuf,
    /// The port.
    pub port: Port,
    /// Whether what is committed must survive a power cut.
    pub durable: bool,
    /// Who it runs as, if not us.
    pub account: Option<ServerAccount>,
    /// With whose certificates it is spoken to; if not given, in clear text.
    pub certificates: Option<Arc<Certificates>>,
    /// Where its log goes.
    pub output: Output,
}

/// A PostgreSQL with Boxroom's database and roles. Ends with this value.
#[derive(Debug)]
pub struct Postgres {
    options: PostgresOptions,
    secrets: Secrets,
    process: Mutex<Option<Process>>,
    /// After the process: its files must outlive it.
    scratch: Option<Scratch>,
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Secrets {
    superuser: String,
    roles: RolePasswords,
}

impl Postgres {
    /// Starts a fresh server for one test.
    pub async fn start() -> anyhow::Result<Self> {
        let place = Place::of_this_checkout()?;
        let scratch = Scratch::create()?;
        let options = PostgresOptions::scratch(&place, scratch.path())?;
        cluster::copy_template(&place, &options).await?;
        Self::launch(options, Some(scratch)).await
    }

    /// Starts a fresh server in a folder that the caller removes afterwards.
    pub(crate) async fn start_in(place: &Place, options: PostgresOptions) -> anyhow::Result<Self> {
        cluster::copy_template(place, &options).await?;
        Self::launch(options, None).await
    }

    /// Starts the server whose data is in `options.folder`, which it creates at the first start.
    pub async fn open(options: PostgresOptions) -> anyhow::Result<Self> {
        cluster::create_if_missing(&options).await?;
        Self::launch(options, None).await
    }

    async fn launch(options: PostgresOptions, scratch: Option<Scratch>) -> anyhow::Result<Self> {
        let secrets = Secrets::read(&options.folder)?;
        options.offer_certificates_only()?;
        let postgres = Self { options, secrets, process: Mutex::default(), scratch };
        postgres.start_again().await?;
        roles::provision(&postgres.url(Role::Admin), &postgres.secrets.roles).await?;
        if let Some(scratch) = &postgres.scratch {
            postgres.hide(scratch.secrets());
            scratch.started();
        }
        Ok(postgres)
    }

    /// The address for this role, password included.
    pub fn url(&self, role: Role) -> String {
        let (user, password) = match role {
            Role::Admin => (SUPERUSER, &self.secrets.superuser),
            Role::Projector => ("projector", &self.secrets.roles.projector),
            Role::Query => ("query", &self.secrets.roles.query),
            Role::Operator => ("operator", &self.secrets.roles.operator),
        };
        let address = format!("postgres://{user}:{password}@127.0.0.1:{}/{DATABASE}", self.options.port.number());
        match self.options.certificates.as_deref() {
            None => address,
            Some(Certificates { authority, client, .. }) => format!(
                "{address}?sslmode=verify-full&sslrootcert={}&sslcert={}&sslkey={}",
                authority.display(),
                client.certificate.display(),
                client.key.display()
            ),
        }
    }

    /// What must not be in a log.
    pub(crate) fn hide(&self, secrets: &crate::Secrets) {
        let RolePasswords { projector, query, operator } = &self.secrets.roles;
        let passwords = [&self.secrets.superuser, projector, query, operator].into_iter();
        passwords.for_each(|password| secrets.hide(password));
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.options.port.number()
    }

    /// The server's process number, while it runs.
    pub async fn pid(&self) -> Option<i32> {
        self.process.lock().await.as_ref().map(Process::pid)
    }

    /// Waits until it ends, which nobody asked for. For ever, if it does not run.
    pub(crate) async fn exited(&self) -> std::process::ExitStatus {
        crate::process::exit_of(&self.process).await
    }

    /// Stops it in order, its data flushed. Its port stays ours.
    pub async fn stop(&self) {
        if let Some(process) = self.process.lock().await.take() {
            process.stop(STOP).await;
        }
    }

    /// Kills it, as a crash would.
    pub async fn kill(&self) {
        if let Some(process) = self.process.lock().await.take() {
            process.kill().await;
        }
    }

    /// Kills it and starts it again on the same port with the same roles, but without any table: its disk is lost.
    pub async fn start_empty(&self) -> anyhow::Result<()> {
        self.kill().await;
        std::fs::remove_dir_all(self.options.data()).context("cannot remove the data")?;
        cluster::create_if_missing(&self.options).await?;
        self.start_again().await?;
        Ok(roles::provision(&self.url(Role::Admin), &self.secrets.roles).await?)
    }

    /// Starts it again on the same port with the same data, and waits until it accepts connections.
    pub async fn start_again(&self) -> anyhow::Result<()> {
        let mut slot = self.process.lock().await;
        if slot.is_some() {
            return Ok(());
        }
        let deadline = Instant::now() + START;
        loop {
            let process = Process::spawn(self.options.launch(), &self.options.output).await?;
            match self.until_ready(&process, deadline).await {
                Ok(()) => {
                    *slot = Some(process);
                    return Ok(());
                }
                // A killed server's last back-ends are still leaving, or a former one is still flushing.
                Err(_) if still_in_use(&process.last_output()) && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn until_ready(&self, process: &Process, deadline: Instant) -> anyhow::Result<()> {
        let status_file = self.options.data().join("postmaster.pid");
        while Instant::now() < deadline {
            if let Some(status) = process.exit_status() {
                // Its last words may still be on their way through the pipe.
                tokio::time::sleep(Duration::from_millis(50)).await;
                bail!("PostgreSQL ended while it was starting ({status}):\n{}", process.last_output());
            }
            if says_ready(&std::fs::read_to_string(&status_file).unwrap_or_default(), process.pid()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("PostgreSQL was not ready after {START:?}:\n{}", process.last_output())
    }
}

/// Line 1 holds the server's process number, line 8 its state.
fn says_ready(status_file: &str, pid: i32) -> bool {
    let mut lines = status_file.lines().map(str::trim);
    lines.next() == Some(pid.to_string().as_str()) && lines.nth(6) == Some("ready")
}

fn still_in_use(output: &str) -> bool {
    ["is still in use", "already exists"].iter().any(|words| output.contains(words))
}

impl PostgresOptions {
    /// A fast server that forgets everything in a power cut.
    pub(crate) fn scratch(place: &Place, folder: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            server: tools::postgres_server(place, tools::Source::Installed)?,
            folder: folder.join("postgres"),
            port: Port::reserve(None)?,
            durable: false,
            account: place.account,
            certificates: None,
            output: Output::Folder(folder.join("logs")),
        })
    }

    fn data(&self) -> PathBuf {
        // Another major version cannot read it. The read models are rebuilt from the log.
        self.folder.join(format!("data-{}", self.server.version.0))
    }

    /// Where it is said who may connect, and how, if not as usual.
    fn access(&self) -> PathBuf {
        self.folder.join("pg_hba.conf")
    }

    /// With certificates nobody connects in clear text, or without one.
    fn offer_certificates_only(&self) -> anyhow::Result<()> {
        let Some(Certificates { server, .. }) = self.certificates.as_deref() else { return Ok(()) };
        std::fs::write(self.access(), "hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n")
            .context("cannot write pg_hba.conf")?;
        // It refuses a key that anybody else can read.
        let key = self.folder.join("server-key.pem");
        let _ = std::fs::remove_file(&key);
        write_private(&key, &std::fs::read(&server.key)?)?;
        self.account.map_or(Ok(()), |account| account.own(&key))
    }

    fn launch(&self) -> Launch {
        let mut launch = Launch::new("postgres", self.server.bin.join("postgres"))
            .args(["-D".into(), self.data().into_os_string()])
            .args(["-p", &self.port.number().to_string()])
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
            .args(["-c", "max_connections=200", "-c", "log_line_prefix=", "-c", "log_checkpoints=off"]);
        if let Some(Certificates { authority, server, .. }) = self.certificates.as_deref() {
            let setting = |name: &str, file: &Path| ["-c".to_owned(), format!("{name}={}", file.display())];
            launch = launch.args(["-c", "ssl=on", "-c", "ssl_min_protocol_version=TLSv1.3"]);
            launch = launch.args(setting("ssl_ca_file", authority));
            launch = launch.args(setting("ssl_cert_file", &server.certificate));
            launch = launch.args(setting("ssl_key_file", &self.folder.join("server-key.pem")));
            launch = launch.args(setting("hba_file", &self.access()));
        }
        launch.account = self.account;
        // TERM would wait for its clients, INT does not.
        launch.stop = Signal::INT;
        if self.durable {
            launch.orphaned = Orphaned::Interrupt;
            launch
        } else {
            launch.orphaned = Orphaned::Quit;
            launch.args(["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off"])
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // QUIT lets it remove its shared memory, which a kill would leave.
        if let Some(process) = self.process.get_mut() {
            process.end_now(Signal::QUIT, STOP);
        }
    }
}

impl Secrets {
    fn random() -> Self {
        Self { superuser: format!("{:032x}", rand::random::<u128>()), roles: RolePasswords::random() }
    }

    fn path(folder: &Path) -> PathBuf {
        folder.join("passwords.json")
    }

    fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let path = Self::path(folder);
        let draft = path.with_extension("new");
        let _ = std::fs::remove_file(&draft);
        write_private(&draft, &serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(&draft, &path).with_context(|| format!("cannot write {}", path.display()))
    }

    fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = Self::path(folder);
        let content = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&content).with_context(|| format!("{} is damaged", path.display()))
    }
}
