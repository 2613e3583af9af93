//! A PostgreSQL server, in a scratch folder for a test or with data that is kept.

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
    checkout::{Checkout, Scratch, ServerAccount, write_private},
    output::Output,
    port::Port,
    process::{Launch, Orphaned, Process},
    tools::{self, PostgresServer},
};

/// The time limit of a start, which includes recovery after a crash.
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// The time limit of a stop, after which the server is killed.
const STOP_TIMEOUT: Duration = Duration::from_millis(2_500);
/// The name of the superuser.
const SUPERUSER: &str = "admin";
/// The name of the database.
const DATABASE: &str = "boxroom";

/// The role of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The superuser. For inspection in tests, never for a service.
    Admin,
    /// The writer of the read models.
    Projector,
    /// The reader of the read models.
    Query,
    /// The notifier, which reads the read models and writes what it has told.
    Notifier,
    /// An operator, who reads tables.
    Operator,
}

/// The configuration of a server.
#[derive(Debug)]
pub struct PostgresOptions {
    /// The server's programs.
    pub server: PostgresServer,
    /// The folder of data and passwords. The caller keeps it.
    pub folder: PathBuf,
    /// The port to listen on.
    pub port: Port,
    /// True if commits must survive a power failure.
    pub durable: bool,
    /// The account that it runs as, if it differs from that of this process.
    pub account: Option<ServerAccount>,
    /// The certificates for TLS. Without them, connections are in clear text.
    pub certificates: Option<Arc<Certificates>>,
    /// The destination of the server's output.
    pub output: Output,
}

/// A PostgreSQL server with Boxroom's database and roles. Ends with this value.
#[derive(Debug)]
pub struct Postgres {
    options: PostgresOptions,
    secrets: Secrets,
    process: Mutex<Option<Process>>,
    /// Dropped after the process, which uses its files.
    scratch: Option<Scratch>,
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Secrets {
    superuser: String,
    roles: RolePasswords,
}

impl Postgres {
    /// Starts an empty server for one test.
    pub async fn start() -> anyhow::Result<Self> {
        let checkout = Checkout::current()?;
        let scratch = Scratch::create()?;
        let options = PostgresOptions::scratch(&checkout, scratch.path())?;
        cluster::copy_template(&checkout, &options).await?;
        Self::launch(options, Some(scratch)).await
    }

    /// Starts an empty server in a folder that the caller removes afterwards.
    pub(crate) async fn start_in(checkout: &Checkout, options: PostgresOptions) -> anyhow::Result<Self> {
        cluster::copy_template(checkout, &options).await?;
        Self::launch(options, None).await
    }

    /// Starts the server whose data is in `options.folder`. The first start creates it.
    pub async fn open(options: PostgresOptions) -> anyhow::Result<Self> {
        cluster::create_if_missing(&options).await?;
        Self::launch(options, None).await
    }

    async fn launch(options: PostgresOptions, scratch: Option<Scratch>) -> anyhow::Result<Self> {
        let secrets = Secrets::read(&options.folder)?;
        options.configure_tls()?;
        let postgres = Self { options, secrets, process: Mutex::default(), scratch };
        postgres.start_again().await?;
        roles::provision(&postgres.url(Role::Admin), &postgres.secrets.roles).await?;
        if let Some(scratch) = &postgres.scratch {
            postgres.hide(scratch.secrets());
            scratch.started();
        }
        Ok(postgres)
    }

    /// The address for this role, including the password.
    pub fn url(&self, role: Role) -> String {
        let (user, password) = match role {
            Role::Admin => (SUPERUSER, &self.secrets.superuser),
            Role::Projector => ("projector", &self.secrets.roles.projector),
            Role::Query => ("query", &self.secrets.roles.query),
            Role::Notifier => ("notifier", &self.secrets.roles.notifier),
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

    /// Registers the passwords, which must not appear in a log.
    pub(crate) fn hide(&self, secrets: &crate::Secrets) {
        let RolePasswords { projector, query, notifier, operator } = &self.secrets.roles;
        let passwords = [&self.secrets.superuser, projector, query, notifier, operator].into_iter();
        passwords.for_each(|password| secrets.hide(password));
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.options.port.number()
    }

    /// The server's process id, while it runs.
    pub async fn pid(&self) -> Option<i32> {
        self.process.lock().await.as_ref().map(Process::pid)
    }

    /// Waits until the server ends without having been stopped. Waits forever if it does not run.
    pub(crate) async fn exited(&self) -> std::process::ExitStatus {
        crate::process::exit_of(&self.process).await
    }

    /// Stops the server gracefully, with its data flushed. The port stays reserved.
    pub async fn stop(&self) {
        if let Some(process) = self.process.lock().await.take() {
            process.stop(STOP_TIMEOUT).await;
        }
    }

    /// Kills the server, as a crash would.
    pub async fn kill(&self) {
        if let Some(process) = self.process.lock().await.take() {
            process.kill().await;
        }
    }

    /// Kills the server and restarts it on the same port with the same roles, but without tables: its disk is lost.
    pub async fn start_empty(&self) -> anyhow::Result<()> {
        self.kill().await;
        std::fs::remove_dir_all(self.options.data()).context("cannot remove the data")?;
        cluster::create_if_missing(&self.options).await?;
        self.start_again().await?;
        Ok(roles::provision(&self.url(Role::Admin), &self.secrets.roles).await?)
    }

    /// Restarts the server on the same port with the same data, and waits until it accepts connections.
    pub async fn start_again(&self) -> anyhow::Result<()> {
        let mut slot = self.process.lock().await;
        if slot.is_some() {
            return Ok(());
        }
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let process = Process::spawn(self.options.launch(), &self.options.output).await?;
            match self.until_ready(&process, deadline).await {
                Ok(()) => {
                    *slot = Some(process);
                    return Ok(());
                }
                // The back-ends of a killed server may still be ending, or an earlier server may still be flushing.
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
                // Its last output may still be in the pipe.
                tokio::time::sleep(Duration::from_millis(50)).await;
                bail!("PostgreSQL exited during startup ({status}):\n{}", process.last_output());
            }
            if is_ready(&std::fs::read_to_string(&status_file).unwrap_or_default(), process.pid()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("PostgreSQL was not ready after {START_TIMEOUT:?}:\n{}", process.last_output())
    }
}

/// Returns true if the status file holds this process id in line 1 and the state `ready` in line 8.
fn is_ready(status_file: &str, pid: i32) -> bool {
    let mut lines = status_file.lines().map(str::trim);
    lines.next() == Some(pid.to_string().as_str()) && lines.nth(6) == Some("ready")
}

fn still_in_use(output: &str) -> bool {
    ["is still in use", "already exists"].iter().any(|words| output.contains(words))
}

impl PostgresOptions {
    /// Options for a fast server that loses its data in a power failure.
    pub(crate) fn scratch(checkout: &Checkout, folder: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            server: tools::postgres_server(checkout, tools::Source::Installed)?,
            folder: folder.join("postgres"),
            port: Port::reserve(None)?,
            durable: false,
            account: checkout.account,
            certificates: None,
            output: Output::Folder(folder.join("logs")),
        })
    }

    fn data(&self) -> PathBuf {
        // Another major version cannot read the data. The read models are rebuilt from the log.
        self.folder.join(format!("data-{}", self.server.version.0))
    }

    /// The file with access rules, used instead of the default one.
    fn access(&self) -> PathBuf {
        self.folder.join("pg_hba.conf")
    }

    /// Writes the server's key and access rules, which require TLS and a client certificate.
    fn configure_tls(&self) -> anyhow::Result<()> {
        let Some(Certificates { server, .. }) = self.certificates.as_deref() else { return Ok(()) };
        std::fs::write(self.access(), "hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n")
            .context("cannot write pg_hba.conf")?;
        // PostgreSQL refuses a key that other accounts can read.
        let key = self.folder.join("server-key.pem");
        let _ = std::fs::remove_file(&key);
        write_private(&key, &std::fs::read(&server.key)?)?;
        self.account.map_or(Ok(()), |account| account.chown(&key))
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
        // TERM would wait for the clients to disconnect. INT does not.
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
        // QUIT lets the server remove its shared memory. A kill would leave it.
        if let Some(process) = self.process.get_mut() {
            process.end_now(Signal::QUIT, STOP_TIMEOUT);
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
