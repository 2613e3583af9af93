//! A complete installation: PostgreSQL, nats-server and the services.

mod home;
mod operate;
mod provisioning;
mod service;
mod service_id;
mod settings;
mod tunnel;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::Arc,
    time::Duration,
};

use futures::future::{BoxFuture, join_all, select_all, try_join_all};
use provision::keys::{self, KeyFiles};
use rustix::process::Signal;

pub use self::{home::Home, service_id::ServiceId};

use self::{service::Service, settings::UNLIMITED};
use crate::{
    certificates::Certificates,
    checkout::{Checkout, Scratch},
    nats::{Account, Nats, NatsOptions},
    output::Output,
    port::Port,
    postgres::{Postgres, PostgresOptions, Role},
    secrets::Secrets,
    token::{Bearer, TokenSigner},
    tools,
};

/// The time limit for services to become ready.
const READY_TIMEOUT: Duration = Duration::from_mins(1);

/// The size and settings of a stack.
#[derive(Debug, Clone)]
pub struct StackOptions {
    /// The number of command-services.
    pub command_services: usize,
    /// The number of projectors.
    pub projectors: usize,
    /// The number of query-services.
    pub query_services: usize,
    /// The number of notifiers.
    pub notifiers: usize,
    /// The number of operator-gateways.
    pub operator_gateways: usize,
    /// The number of partitions of the log.
    pub partitions: u16,
    /// The maximum number of database connections of each query-service.
    pub database_pool: u32,
    /// True if servers and services use TLS and the log is encrypted.
    pub secured: bool,
    /// True if PostgreSQL has its own settings, so that commits survive a power failure. Tests do without.
    pub durable: bool,
    /// The folder of the built web page that the query-services serve.
    pub page: Option<PathBuf>,
    /// Additional settings of single services. They override those of the stack.
    pub env: Vec<(ServiceId, &'static str, String)>,
    /// The folder of the services' programs. The default is the folder that this program was built into.
    pub bin_dir: Option<PathBuf>,
}

impl Default for StackOptions {
    fn default() -> Self {
        Self {
            command_services: 1,
            projectors: 1,
            query_services: 1,
            notifiers: 0,
            operator_gateways: 0,
            partitions: 4,
            database_pool: 10,
            secured: false,
            durable: false,
            page: None,
            env: Vec::new(),
            bin_dir: None,
        }
    }
}

impl StackOptions {
    fn services(&self) -> impl Iterator<Item = ServiceId> {
        let projectors = (0..self.projectors).map(ServiceId::Projector);
        let commands = (0..self.command_services).map(ServiceId::Command);
        let gateways = (0..self.operator_gateways).map(ServiceId::OperatorGateway);
        let queries = (0..self.query_services).map(ServiceId::Query);
        // The settings of a query-service have the addresses of the command-service and the gateway.
        let named = projectors.chain(commands).chain(gateways);
        named.chain(queries).chain((0..self.notifiers).map(ServiceId::Notifier))
    }
}

/// PostgreSQL, nats-server and the services. All end with this value.
#[derive(Debug)]
pub struct Stack {
    // The fields are dropped in this order: clients before servers, files last.
    services: BTreeMap<ServiceId, Service>,
    servers: Servers,
    token_signer: TokenSigner,
}

/// The servers and files that the services use.
#[derive(Debug)]
struct Servers {
    nats: Nats,
    postgres: Postgres,
    keys: KeyFiles,
    /// The folder of the services' own files.
    caches: PathBuf,
    /// The certificates of a stack that uses TLS.
    certificates: Option<Arc<Certificates>>,
    /// Removes the files of all others when it is dropped.
    scratch: Option<Scratch>,
}

impl Stack {
    /// Starts a fresh stack for one test, and waits until every service is ready.
    pub async fn start(options: StackOptions) -> anyhow::Result<Self> {
        let checkout = Checkout::current()?;
        let scratch = Scratch::create()?;
        let mut postgres = PostgresOptions::scratch(&checkout, scratch.path())?;
        let mut nats = NatsOptions::scratch(&checkout, scratch.path(), options.partitions)?;
        let mut certificates = None;
        if options.secured {
            certificates = Some(Arc::new(Certificates::write(&scratch.path().join("certificates"))?));
            postgres.certificates.clone_from(&certificates);
            nats.certificates.clone_from(&certificates);
            nats.store_key = Some(format!("k{:032x}", rand::random::<u128>()));
        }
        let output = Output::Folder(scratch.logs());
        // Boxed, because these futures are large.
        postgres.durable = options.durable;
        let postgres = async {
            if options.durable { Postgres::open(postgres).await } else { Postgres::start_in(&checkout, postgres).await }
        };
        let servers = Box::pin(async { tokio::try_join!(postgres, Nats::open(nats)) });
        let (postgres, nats) = servers.await?;
        let keys = keys::write(&scratch.path().join("keys"))?;
        nats.hide(scratch.secrets());
        postgres.hide(scratch.secrets());
        scratch.secrets().hide_folder(&scratch.path().join("keys"));
        let caches = scratch.path().to_path_buf();
        let servers = Servers { postgres, nats, keys, caches, certificates, scratch: Some(scratch) };
        let stack = Self::assemble(&options, servers, &output, &BTreeMap::new())?;
        stack.start_services().await?;
        Ok(stack)
    }

    /// Starts a stack whose data is kept in `home`, durably, and waits until every service is ready.
    pub async fn open(options: StackOptions, checkout: &Checkout, home: Home) -> anyhow::Result<Self> {
        let (found, source) = (checkout.clone(), home.source);
        let find = move || Ok((tools::postgres_server(&found, source)?, tools::nats_server(&found, source)?));
        let found: anyhow::Result<_> = tokio::task::spawn_blocking(find).await?;
        let (postgres_server, nats_server) = found?;
        let port = |name| Port::reserve(home.ports.get(name).copied());
        let postgres = PostgresOptions {
            server: postgres_server,
            folder: home.reachable.join("postgres"),
            port: port("postgres")?,
            durable: true,
            account: checkout.account,
            certificates: None,
            output: home.output.clone(),
        };
        let nats = NatsOptions {
            server: nats_server,
            config: checkout.repository.join("nats.conf"),
            folder: home.private.join("nats"),
            port: port("nats")?,
            partitions: options.partitions,
            certificates: None,
            store_key: None,
            output: home.output.clone(),
        };
        let keys = keys::write(&home.private.join("keys"))?;
        // Boxed, because these futures are large.
        let servers = Box::pin(async { tokio::try_join!(Postgres::open(postgres), Nats::open(nats)) });
        let (postgres, nats) = servers.await?;
        let caches = home.private.join("keys");
        let servers = Servers { postgres, nats, keys, caches, certificates: None, scratch: None };
        let stack = Self::assemble(&options, servers, &home.output, &home.ports)?;
        // The other services would wait, but their errors would make a first start look like a failure.
        for id in (0..options.projectors).map(ServiceId::Projector) {
            stack.start_again(id).await?;
        }
        stack.start_services().await?;
        Ok(stack)
    }

    fn assemble(
        options: &StackOptions,
        servers: Servers,
        output: &Output,
        ports: &BTreeMap<String, u16>,
    ) -> anyhow::Result<Self> {
        let token_signer = TokenSigner::read(&servers.keys.signing_keys)?;
        let mut stack = Self { services: BTreeMap::new(), servers, token_signer };
        let bin_dir = options.bin_dir.clone().map_or_else(service::bin_dir, Ok)?;
        for id in options.services() {
            let port = Port::reserve(ports.get(&id.to_string()).copied())?;
            let mut settings = stack.settings(id, options);
            if stack.servers.scratch.is_some() {
                settings.extend(UNLIMITED.map(|(name, value)| (name, value.to_owned())));
            }
            let own = options.env.iter().filter(|(of, ..)| *of == id);
            settings.extend(own.map(|(_, name, value)| (*name, value.clone())));
            let service = Service::new(id, &bin_dir, port, settings, output.clone())?;
            stack.services.insert(id, service.with_tls(stack.certificates())?);
        }
        Ok(stack)
    }

    async fn start_services(&self) -> anyhow::Result<()> {
        try_join_all(self.services.values().map(Service::spawn)).await?;
        try_join_all(self.services.values().map(|service| service.until_ready(READY_TIMEOUT))).await?;
        if let Some(scratch) = &self.servers.scratch {
            scratch.started();
        }
        Ok(())
    }

    /// The URL of the n-th command-service, without a trailing slash.
    pub fn command_url(&self, index: usize) -> String {
        self.service(ServiceId::Command(index)).url()
    }

    /// The URL of the n-th query-service, without a trailing slash.
    pub fn query_url(&self, index: usize) -> String {
        self.service(ServiceId::Query(index)).url()
    }

    /// The URL of a service. With TLS it is that of a tunnel, which accepts clear text.
    pub fn url(&self, id: ServiceId) -> String {
        self.service(id).url()
    }

    /// The certificates of a stack that uses TLS.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.servers.certificates.as_deref()
    }

    /// The URL of nats-server for this account.
    pub fn nats_url(&self, account: Account) -> String {
        self.servers.nats.url(account)
    }

    /// The URL of the database for this role.
    pub fn database_url(&self, role: Role) -> String {
        self.servers.postgres.url(role)
    }

    /// Signs a token that is valid from now on for `lifetime`.
    pub fn token(&self, bearer: Bearer<'_>, lifetime: Duration) -> String {
        self.token_signer.token(bearer, lifetime)
    }

    /// The file of the master key, for tools that read the log.
    pub fn master_key_file(&self) -> &Path {
        &self.servers.keys.master_key
    }

    /// The signer of tokens, for tests with unusual ones.
    pub fn token_signer(&self) -> &TokenSigner {
        &self.token_signer
    }

    /// The secrets that must not appear in any log of this stack. If one does, the test fails.
    pub fn secrets(&self) -> Secrets {
        self.servers.scratch.as_ref().map(|scratch| scratch.secrets().clone()).unwrap_or_default()
    }

    /// The folder of the command-services' signing keys.
    pub fn signing_keys(&self) -> &Path {
        &self.servers.keys.signing_keys
    }

    /// The folder of all files, or none for a stack whose data is kept.
    pub fn files(&self) -> Option<&Path> {
        self.servers.scratch.as_ref().map(Scratch::path)
    }

    /// The database server.
    pub fn postgres(&self) -> &Postgres {
        &self.servers.postgres
    }

    /// The server of the log.
    pub fn nats(&self) -> &Nats {
        &self.servers.nats
    }

    /// The ports of all servers and services, by name.
    pub fn ports(&self) -> BTreeMap<String, u16> {
        let services = self.services.iter().map(|(id, service)| (id.to_string(), service.port()));
        let servers =
            [("postgres".to_owned(), self.servers.postgres.port()), ("nats".to_owned(), self.servers.nats.port())];
        services.chain(servers).collect()
    }

    /// The process id of a service, while it runs.
    pub async fn pid(&self, id: ServiceId) -> Option<i32> {
        self.service(id).pid().await
    }

    /// Kills a service, as a crash would.
    pub async fn kill(&self, id: ServiceId) {
        self.service(id).kill().await;
    }

    /// Stops a service gracefully and returns its exit status.
    pub async fn stop(&self, id: ServiceId) -> Option<ExitStatus> {
        self.service(id).stop(Duration::from_secs(5)).await
    }

    /// Restarts a stopped or killed service on its port, and waits until it is ready.
    pub async fn start_again(&self, id: ServiceId) -> anyhow::Result<()> {
        let service = self.service(id);
        service.spawn().await?;
        service.until_ready(READY_TIMEOUT).await
    }

    /// Starts a service without waiting for it to be ready. Some services wait for others that do not run yet.
    pub async fn spawn(&self, id: ServiceId) -> anyhow::Result<()> {
        self.service(id).spawn().await
    }

    /// Suspends a service at any point of its work.
    pub async fn freeze(&self, id: ServiceId) {
        self.service(id).signal(Signal::STOP).await;
    }

    /// Resumes a suspended service.
    pub async fn thaw(&self, id: ServiceId) {
        self.service(id).signal(Signal::CONT).await;
    }

    /// The last lines of a service's log.
    pub async fn last_output(&self, id: ServiceId) -> String {
        self.service(id).last_output().await
    }

    /// The content of all log files.
    pub fn logs(&self) -> std::io::Result<String> {
        let mut all = String::new();
        let Some(scratch) = &self.servers.scratch else { return Ok(all) };
        for file in std::fs::read_dir(scratch.path().join("logs"))? {
            all += &String::from_utf8_lossy(&std::fs::read(file?.path())?);
        }
        Ok(all)
    }

    /// Waits until a process ends without having been stopped. Returns its name and exit status.
    pub async fn first_exit(&self) -> (String, ExitStatus) {
        let mut exits: Vec<BoxFuture<'_, (String, ExitStatus)>> = vec![
            Box::pin(async { ("postgres".to_owned(), self.servers.postgres.exited().await) }),
            Box::pin(async { ("nats-server".to_owned(), self.servers.nats.exited().await) }),
        ];
        for (id, service) in &self.services {
            exits.push(Box::pin(async move { (id.to_string(), service.exited().await) }));
        }
        select_all(exits).await.0
    }

    /// Stops everything gracefully: the services first, so that none loses its servers. Returns within five seconds.
    pub async fn shutdown(self) {
        join_all(self.services.values().map(|service| service.stop(Duration::from_millis(1_500)))).await;
        tokio::join!(self.servers.nats.stop(), self.servers.postgres.stop());
    }

    fn service(&self, id: ServiceId) -> &Service {
        self.services.get(&id).unwrap_or_else(|| panic!("this stack has no {id}"))
    }
}
