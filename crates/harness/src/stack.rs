//! Everything together: PostgreSQL, nats-server and the services, ready to use.

mod home;
mod operate;
mod provisioning;
mod service;
mod service_id;
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

use self::service::Service;
use crate::{
    certificates::Certificates,
    nats::{Account, Nats, NatsOptions},
    output::Output,
    place::{Place, Scratch},
    port::Port,
    postgres::{Postgres, PostgresOptions, Role},
    secrets::Secrets,
    token::{Bearer, Mint},
    tools,
};

/// In tests all clients are at one address, and as fast as they can be.
const CROWDED: [(&str, &str); 5] = [
    ("BOXROOM_CONNECTIONS_PER_ADDRESS", "1000000"),
    ("BOXROOM_RATE_PER_USER", "1000000:1000000"),
    ("BOXROOM_RATE_PER_ADDRESS", "1000000:1000000"),
    ("BOXROOM_LIVE_RATE_PER_USER", "1000000:1000000"),
    ("BOXROOM_LIVE_RATE_PER_ADDRESS", "1000000:1000000"),
];

/// How long services may take to become ready.
const READY: Duration = Duration::from_mins(1);

/// How many of what, and with which settings.
#[derive(Debug, Clone)]
pub struct StackOptions {
    /// How many command-services.
    pub command_services: usize,
    /// How many projectors.
    pub projectors: usize,
    /// How many query-services.
    pub query_services: usize,
    /// How many partitions the log has.
    pub partitions: u16,
    /// How many database connections each query-service may open.
    pub database_pool: u32,
    /// Whether servers and services are spoken to with TLS, and the log is encrypted.
    pub secured: bool,
    /// More settings for one service, or others than the stack would give.
    pub env: Vec<(ServiceId, &'static str, String)>,
    /// The folder with the services' programs; if not given, the one this program was built into.
    pub bin_dir: Option<PathBuf>,
}

impl Default for StackOptions {
    fn default() -> Self {
        Self {
            command_services: 1,
            projectors: 1,
            query_services: 1,
            partitions: 4,
            database_pool: 10,
            secured: false,
            env: Vec::new(),
            bin_dir: None,
        }
    }
}

impl StackOptions {
    fn services(&self) -> impl Iterator<Item = ServiceId> {
        let projectors = (0..self.projectors).map(ServiceId::Projector);
        let commands = (0..self.command_services).map(ServiceId::Command);
        projectors.chain(commands).chain((0..self.query_services).map(ServiceId::Query))
    }
}

/// PostgreSQL, nats-server and the services. All end with this value.
#[derive(Debug)]
pub struct Stack {
    // In this order they are dropped: clients before servers, files last.
    services: BTreeMap<ServiceId, Service>,
    servers: Servers,
    mint: Mint,
}

/// What the services stand on.
#[derive(Debug)]
struct Servers {
    nats: Nats,
    postgres: Postgres,
    keys: KeyFiles,
    /// The folder of what services keep for themselves.
    caches: PathBuf,
    /// Of a stack that is spoken to with TLS.
    certificates: Option<Arc<Certificates>>,
    /// Removes the files of all others when it is dropped.
    scratch: Option<Scratch>,
}

impl Stack {
    /// Starts a fresh stack for one test, and waits until every service is ready.
    pub async fn start(options: StackOptions) -> anyhow::Result<Self> {
        let place = Place::of_this_checkout()?;
        let scratch = Scratch::create()?;
        let mut postgres = PostgresOptions::scratch(&place, scratch.path())?;
        let mut nats = NatsOptions::scratch(&place, scratch.path(), options.partitions)?;
        let mut certificates = None;
        if options.secured {
            certificates = Some(Arc::new(Certificates::write(&scratch.path().join("certificates"))?));
            postgres.certificates.clone_from(&certificates);
            nats.certificates.clone_from(&certificates);
            nats.store_key = Some(format!("k{:032x}", rand::random::<u128>()));
        }
        let output = Output::Folder(scratch.logs());
        // Boxed: they are the most of this future.
        let servers = Box::pin(async { tokio::try_join!(Postgres::start_in(&place, postgres), Nats::open(nats)) });
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
    pub async fn open(options: StackOptions, place: &Place, home: Home) -> anyhow::Result<Self> {
        let (found, source) = (place.clone(), home.source);
        let find = move || Ok((tools::postgres_server(&found, source)?, tools::nats_server(&found, source)?));
        let found: anyhow::Result<_> = tokio::task::spawn_blocking(find).await?;
        let (postgres_server, nats_server) = found?;
        let port = |name| Port::reserve(home.ports.get(name).copied());
        let postgres = PostgresOptions {
            server: postgres_server,
            folder: home.reachable.join("postgres"),
            port: port("postgres")?,
            durable: true,
            account: place.account,
            certificates: None,
            output: home.output.clone(),
        };
        let nats = NatsOptions {
            server: nats_server,
            config: place.repository.join("nats.conf"),
            folder: home.private.join("nats"),
            port: port("nats")?,
            partitions: options.partitions,
            certificates: None,
            store_key: None,
            output: home.output.clone(),
        };
        let keys = keys::write(&home.private.join("keys"))?;
        // Boxed: they are the most of this future.
        let servers = Box::pin(async { tokio::try_join!(Postgres::open(postgres), Nats::open(nats)) });
        let (postgres, nats) = servers.await?;
        let caches = home.private.join("keys");
        let servers = Servers { postgres, nats, keys, caches, certificates: None, scratch: None };
        let stack = Self::assemble(&options, servers, &home.output, &home.ports)?;
        // The others would manage, but a first start shall not look like a failure.
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
        let mint = Mint::read(&servers.keys.signing_keys)?;
        let mut stack = Self { services: BTreeMap::new(), servers, mint };
        let bin_dir = options.bin_dir.clone().map_or_else(service::bin_dir, Ok)?;
        for id in options.services() {
            let port = Port::reserve(ports.get(&id.to_string()).copied())?;
            let mut settings = stack.settings(id, options);
            if stack.servers.scratch.is_some() {
                settings.extend(CROWDED.map(|(name, value)| (name, value.to_owned())));
            }
            let own = options.env.iter().filter(|(of, ..)| *of == id);
            settings.extend(own.map(|(_, name, value)| (*name, value.clone())));
            let service = Service::new(id, &bin_dir, port, settings, output.clone())?;
            stack.services.insert(id, service.certified(stack.certificates())?);
        }
        Ok(stack)
    }

    /// The settings of one service, each knowing no more than it needs.
    fn settings(&self, id: ServiceId, options: &StackOptions) -> BTreeMap<&'static str, String> {
        let partitions = ("BOXROOM_PARTITIONS", options.partitions.to_string());
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let cache = ("BOXROOM_TRUST_CACHE", path(&self.servers.caches.join(format!("trust-{id}.json"))));
        match id {
            ServiceId::Command(_) => BTreeMap::from([
                ("BOXROOM_NATS_URL", self.servers.nats.url(Account::Command)),
                ("BOXROOM_SIGNING_KEYS", path(&self.servers.keys.signing_keys)),
                ("BOXROOM_REQUEST_SECRET_FILE", path(&self.servers.keys.request_secret)),
                ("BOXROOM_MASTER_KEY_FILE", path(&self.servers.keys.master_key)),
                cache,
                partitions,
            ]),
            ServiceId::Projector(_) => BTreeMap::from([
                ("BOXROOM_NATS_URL", self.servers.nats.url(Account::Projector)),
                ("BOXROOM_MASTER_KEY_FILE", path(&self.servers.keys.master_key)),
                ("BOXROOM_DATABASE_URL", self.servers.postgres.url(Role::Projector)),
                partitions,
            ]),
            ServiceId::Query(_) => BTreeMap::from([
                ("BOXROOM_NATS_URL", self.servers.nats.url(Account::Query)),
                ("BOXROOM_DATABASE_URL", self.servers.postgres.url(Role::Query)),
                ("BOXROOM_DATABASE_POOL", options.database_pool.to_string()),
                cache,
            ]),
        }
    }

    async fn start_services(&self) -> anyhow::Result<()> {
        try_join_all(self.services.values().map(Service::spawn)).await?;
        try_join_all(self.services.values().map(|service| service.until_ready(READY))).await?;
        if let Some(scratch) = &self.servers.scratch {
            scratch.started();
        }
        Ok(())
    }

    /// The address of the n-th command-service, without a slash at the end.
    pub fn command_url(&self, index: usize) -> String {
        self.service(ServiceId::Command(index)).url()
    }

    /// The address of the n-th query-service, without a slash at the end.
    pub fn query_url(&self, index: usize) -> String {
        self.service(ServiceId::Query(index)).url()
    }

    /// The address of a service. With TLS it is that of a tunnel, into which everybody can speak in clear text.
    pub fn url(&self, id: ServiceId) -> String {
        self.service(id).url()
    }

    /// The certificates of a stack that is spoken to with TLS.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.servers.certificates.as_deref()
    }

    /// The address of nats-server for this account.
    pub fn nats_url(&self, account: Account) -> String {
        self.servers.nats.url(account)
    }

    /// The address of the database for this role.
    pub fn database_url(&self, role: Role) -> String {
        self.servers.postgres.url(role)
    }

    /// A token that is valid from now on for `lifetime`.
    pub fn token(&self, bearer: Bearer<'_>, lifetime: Duration) -> String {
        self.mint.token(bearer, lifetime)
    }

    /// The file of the master key, for tools that read the log.
    pub fn master_key_file(&self) -> &Path {
        &self.servers.keys.master_key
    }

    /// The key that signs tokens, for tests that want odd ones.
    pub fn mint(&self) -> &Mint {
        &self.mint
    }

    /// What must not be in any log of this stack, or its test fails.
    pub fn secrets(&self) -> Secrets {
        self.servers.scratch.as_ref().map(|scratch| scratch.secrets().clone()).unwrap_or_default()
    }

    /// The folder whose signing keys the command-services sign with.
    pub fn signing_keys(&self) -> &Path {
        &self.servers.keys.signing_keys
    }

    /// The folder of all files; none of a stack whose data is kept.
    pub fn files(&self) -> Option<&Path> {
        self.servers.scratch.as_ref().map(Scratch::path)
    }

    /// The database server.
    pub fn postgres(&self) -> &Postgres {
        &self.servers.postgres
    }

    /// The log's server.
    pub fn nats(&self) -> &Nats {
        &self.servers.nats
    }

    /// The port of everything that listens, by name.
    pub fn ports(&self) -> BTreeMap<String, u16> {
        let services = self.services.iter().map(|(id, service)| (id.to_string(), service.port()));
        let servers =
            [("postgres".to_owned(), self.servers.postgres.port()), ("nats".to_owned(), self.servers.nats.port())];
        services.chain(servers).collect()
    }

    /// The process number of a service, while it runs.
    pub async fn pid(&self, id: ServiceId) -> Option<i32> {
        self.service(id).pid().await
    }

    /// Kills a service, as a crash would.
    pub async fn kill9(&self, id: ServiceId) {
        self.service(id).kill().await;
    }

    /// Stops a service in order and says how it ended.
    pub async fn stop(&self, id: ServiceId) -> Option<ExitStatus> {
        self.service(id).stop(Duration::from_secs(5)).await
    }

    /// Starts a service that was stopped or killed, on its former port, and waits until it is ready.
    pub async fn start_again(&self, id: ServiceId) -> anyhow::Result<()> {
        let service = self.service(id);
        service.spawn().await?;
        service.until_ready(READY).await
    }

    /// Starts a service without waiting for it to be ready: some wait themselves for what is not there yet.
    pub async fn spawn(&self, id: ServiceId) -> anyhow::Result<()> {
        self.service(id).spawn().await
    }

    /// Halts a service in the middle of whatever it is doing.
    pub async fn freeze(&self, id: ServiceId) {
        self.service(id).signal(Signal::STOP).await;
    }

    /// Lets a halted service go on.
    pub async fn thaw(&self, id: ServiceId) {
        self.service(id).signal(Signal::CONT).await;
    }

    /// The last lines that a service logged.
    pub async fn last_output(&self, id: ServiceId) -> String {
        self.service(id).last_output().await
    }

    /// All that was logged by everything that logs to files.
    pub fn logs(&self) -> std::io::Result<String> {
        let mut all = String::new();
        let Some(scratch) = &self.servers.scratch else { return Ok(all) };
        for file in std::fs::read_dir(scratch.path().join("logs"))? {
            all += &String::from_utf8_lossy(&std::fs::read(file?.path())?);
        }
        Ok(all)
    }

    /// Waits until something ends that nobody stopped, and says what.
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

    /// Ends everything in order: the services first, so that none sees its servers leave. Returns within five seconds.
    pub async fn shutdown(self) {
        join_all(self.services.values().map(|service| service.stop(Duration::from_millis(1_500)))).await;
        tokio::join!(self.servers.nats.stop(), self.servers.postgres.stop());
    }

    fn service(&self, id: ServiceId) -> &Service {
        self.services.get(&id).unwrap_or_else(|| panic!("this stack has no {id}"))
    }
}
