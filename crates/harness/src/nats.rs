//! A nats-server with the accounts and streams of Boxroom.

use std::{
    io::Read,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use provision::accounts::{self, Credentials};
use provision::topology::ProvisionOptions;
use tokio::sync::Mutex;

use crate::{
    certificates::Certificates,
    checkout::{Checkout, Scratch},
    output::Output,
    port::Port,
    process::{Launch, Process},
    secrets::Secrets,
    tools::{self, NatsServer},
};

/// The time limit of a start, which includes reading a large log.
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// The time limit of a stop, after which the server is killed.
const STOP_TIMEOUT: Duration = Duration::from_millis(2_500);

/// The account of a connection: one for each kind of process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// The owner of the log. For provisioning, and for inspection in tests.
    Admin,
    /// The command-service.
    Command,
    /// The projector.
    Projector,
    /// The query-service.
    Query,
    /// The notifier.
    Notifier,
    /// A delivery box, which may only send commands.
    Device,
    /// An operator of the projectors.
    Operator,
}

/// The configuration of a server.
#[derive(Debug)]
pub struct NatsOptions {
    /// The server's program.
    pub server: NatsServer,
    /// The checkout's `nats.conf`.
    pub config: PathBuf,
    /// The folder of configuration, passwords and log. The caller keeps it.
    pub folder: PathBuf,
    /// The port to listen on.
    pub port: Port,
    /// The number of partitions of the log.
    pub partitions: u16,
    /// The certificates for TLS. Without them, connections are in clear text.
    pub certificates: Option<Arc<Certificates>>,
    /// The key that encrypts the log, if any.
    pub store_key: Option<String>,
    /// The destination of the server's own output.
    pub output: Output,
}

/// A nats-server with Boxroom's accounts and streams. Ends with this value.
#[derive(Debug)]
pub struct Nats {
    options: NatsOptions,
    credentials: Credentials,
    process: Mutex<Option<Process>>,
    /// Dropped after the process, which uses its files.
    scratch: Option<Scratch>,
}

impl Nats {
    /// Starts an empty server with a log of this many partitions for one test.
    pub async fn start(partitions: u16) -> anyhow::Result<Self> {
        let scratch = Scratch::create()?;
        let options = NatsOptions::scratch(&Checkout::current()?, scratch.path(), partitions)?;
        Ok(Self::launch(options, Some(scratch)).await?.with_streams().await?.started())
    }

    /// Starts an empty server that has accounts, but no streams.
    pub async fn start_without_streams(partitions: u16) -> anyhow::Result<Self> {
        let scratch = Scratch::create()?;
        let options = NatsOptions::scratch(&Checkout::current()?, scratch.path(), partitions)?;
        Ok(Self::launch(options, Some(scratch)).await?.started())
    }

    /// Starts the server whose log is in `options.folder`. The first start creates it.
    pub async fn open(options: NatsOptions) -> anyhow::Result<Self> {
        Self::launch(options, None).await?.with_streams().await
    }

    fn started(self) -> Self {
        if let Some(scratch) = &self.scratch {
            self.hide(scratch.secrets());
            scratch.started();
        }
        self
    }

    async fn with_streams(self) -> anyhow::Result<Self> {
        let options = ProvisionOptions { partitions: self.options.partitions, replicas: 1 };
        provision::streams::provision(&self.url(Account::Admin), options).await?;
        Ok(self)
    }

    async fn launch(options: NatsOptions, scratch: Option<Scratch>) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&options.folder).context("cannot create the folder of nats-server")?;
        let credentials = accounts::write(&options.folder, options.partitions)?;
        options.configure()?;
        let nats = Self { options, credentials, process: Mutex::default(), scratch };
        nats.start_again().await?;
        Ok(nats)
    }

    /// The address for this account, password included.
    pub fn url(&self, account: Account) -> String {
        let (user, password) = match account {
            Account::Admin => ("admin", &self.credentials.admin),
            Account::Command => ("command", &self.credentials.command),
            Account::Projector => ("projector", &self.credentials.projector),
            Account::Query => ("query", &self.credentials.query),
            Account::Notifier => ("notifier", &self.credentials.notifier),
            Account::Device => ("device", &self.credentials.device),
            Account::Operator => ("operator", &self.credentials.operator),
        };
        let address = format!("{user}:{password}@127.0.0.1:{}", self.options.port.number());
        match self.options.certificates.as_deref() {
            None => format!("nats://{address}"),
            Some(Certificates { authority, client, .. }) => {
                let [authority, certificate, key] =
                    [authority, &client.certificate, &client.key].map(|file| file.display());
                format!("tls://{address}?ca_file={authority}&cert_file={certificate}&key_file={key}")
            }
        }
    }

    /// Registers the passwords and the store key, which must not appear in a log.
    pub(crate) fn hide(&self, secrets: &Secrets) {
        let Credentials { admin, command, projector, query, notifier, device, operator } = &self.credentials;
        let passwords = [admin, command, projector, query, notifier, device, operator].into_iter();
        passwords.chain(&self.options.store_key).for_each(|secret| secrets.hide(secret));
    }

    /// The folder in which the server stores its log.
    pub fn store(&self) -> PathBuf {
        self.options.store()
    }

    /// The folder of the server's files.
    pub fn folder(&self) -> &Path {
        &self.options.folder
    }

    /// The number of partitions of the log.
    pub fn partitions(&self) -> u16 {
        self.options.partitions
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

    /// Stops the server gracefully. The port stays reserved.
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

    /// Kills the server and restarts it on the same port with the same accounts, but without streams: its disk is lost.
    pub async fn start_empty(&self) -> anyhow::Result<()> {
        self.kill().await;
        std::fs::remove_dir_all(self.options.store()).context("cannot remove the log")?;
        self.start_again().await
    }

    /// As [`Nats::start_empty`], but configured for a restore: received data is not synced until [`Nats::stop`].
    pub async fn start_empty_for_restore(&self) -> anyhow::Result<()> {
        self.kill().await;
        std::fs::remove_dir_all(self.options.store()).context("cannot remove the log")?;
        self.options.configure_restore()?;
        self.start_with("restore.conf").await
    }

    /// Restarts the server on the same port with the same log, and waits until it accepts connections.
    pub async fn start_again(&self) -> anyhow::Result<()> {
        self.start_with("nats.conf").await
    }

    async fn start_with(&self, config: &str) -> anyhow::Result<()> {
        let mut slot = self.process.lock().await;
        if slot.is_some() {
            return Ok(());
        }
        let process = Process::spawn(self.options.launch(config), &self.options.output).await?;
        let deadline = Instant::now() + START_TIMEOUT;
        while !sends_info(self.options.port.number()) {
            if let Some(status) = process.exit_status() {
                // Its last output may still be in the pipe.
                tokio::time::sleep(Duration::from_millis(50)).await;
                bail!("nats-server exited during startup ({status}):\n{}", process.last_output());
            }
            if Instant::now() > deadline {
                bail!("nats-server was not ready after {START_TIMEOUT:?}:\n{}", process.last_output());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        *slot = Some(process);
        Ok(())
    }
}

/// Returns true if the server sends `INFO`, which it does once its log is open.
fn sends_info(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let greeting = || {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(200))?;
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        let mut greeting = [0; 4];
        stream.read_exact(&mut greeting)?;
        std::io::Result::Ok(greeting)
    };
    greeting().is_ok_and(|greeting| &greeting == b"INFO")
}

impl NatsOptions {
    /// Options for a server in a scratch folder.
    pub(crate) fn scratch(checkout: &Checkout, folder: &Path, partitions: u16) -> anyhow::Result<Self> {
        Ok(Self {
            server: tools::nats_server(checkout, tools::Source::Installed)?,
            config: checkout.repository.join("nats.conf"),
            folder: folder.join("nats"),
            port: Port::reserve(None)?,
            partitions,
            certificates: None,
            store_key: None,
            output: Output::Folder(folder.join("logs")),
        })
    }

    fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// Writes the configuration as an administrator would: enables the wanted includes by removing their comment marks.
    fn configure(&self) -> anyhow::Result<()> {
        let deploy = self.config.with_file_name("deploy");
        let mut config = read(&self.config)?;
        let mut files = Vec::new();
        if self.store_key.is_some() {
            config = config.replace("# include \"encryption.conf\"", "include \"encryption.conf\"");
            files.push(("encryption.conf", read(&deploy.join("encryption.conf"))?));
        }
        if self.certificates.is_some() {
            config = config.replace("# include \"tls.conf\"", "include \"tls.conf\"");
            let tls = read(&deploy.join("tls.conf"))?;
            files.push(("tls.conf", tls.replace("# ca_file", "ca_file").replace("# verify", "verify")));
        }
        files.push(("nats.conf", config));
        files.into_iter().try_for_each(|(name, content)| self.write(name, &content))
    }

    /// Writes the configuration of a server to which a log is restored.
    fn configure_restore(&self) -> anyhow::Result<()> {
        let mut config = read(&self.config.with_file_name("deploy").join("restore.conf"))?;
        if self.store_key.is_some() {
            config = config.replace("# include \"encryption.conf\"", "include \"encryption.conf\"");
        }
        self.write("restore.conf", &config)
    }

    fn write(&self, name: &str, content: &str) -> anyhow::Result<()> {
        let path = self.folder.join(name);
        std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    }

    fn launch(&self, config: &str) -> Launch {
        let mut launch = Launch::new("nats", &self.server.program)
            .args(["-c".into(), self.folder.join(config).into_os_string()])
            .env("NATS_PORT", self.port.number().to_string())
            .env("NATS_STORE", self.store());
        if let Some(Certificates { authority, server, .. }) = self.certificates.as_deref() {
            launch = launch
                .env("NATS_TLS_CA", authority)
                .env("NATS_TLS_CERT", &server.certificate)
                .env("NATS_TLS_KEY", &server.key);
        }
        match &self.store_key {
            Some(key) => launch.env("NATS_STORE_KEY", key),
            None => launch,
        }
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
