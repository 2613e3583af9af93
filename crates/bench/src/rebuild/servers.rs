//! The servers of one run: as in production, but for how often the log is flushed while it is filled.

use std::sync::Arc;

use anyhow::Context;
use event_store::{BulkAddress, JetStreamLog, KeyRing, Log, OWNER_API_PREFIX, SealedLog};
use harness::{
    Account, Nats, Postgres, Role,
    nats::NatsOptions,
    output::Output,
    place::{Place, Scratch},
    port::Port,
    postgres::PostgresOptions,
    tools::{self, Source},
};
use projector::Database;
use service_kit::nats::{self, PlainAddress};

use crate::cpu::Processes;

/// What differs from production, for the report.
pub(crate) const SETTINGS: &str = "nats-server flushes at its default interval, because the log is only filled to be \
                                   read; PostgreSQL has its own defaults, fsync included";

/// Ends with this value.
pub(crate) struct Servers {
    nats: Nats,
    postgres: Postgres,
    /// Of the personal values, as they stand in a file of master keys.
    masters: String,
    /// After the servers: their files must outlive them.
    scratch: Scratch,
}

impl Servers {
    pub(crate) async fn start(partitions: u16) -> anyhow::Result<Self> {
        let place = Place::of_this_checkout()?;
        let scratch = Scratch::create()?;
        let config = std::fs::read_to_string(place.repository.join("nats.conf")).context("cannot read nats.conf")?;
        let filled_fast = scratch.path().join("nats.conf");
        std::fs::write(&filled_fast, config.replace("sync_interval: always", "sync_interval: 2m"))?;
        let nats = Nats::open(NatsOptions {
            server: tools::nats_server(&place, Source::Installed)?,
            config: filled_fast,
            folder: scratch.path().join("nats"),
            port: Port::reserve(None)?,
            partitions,
            certificates: None,
            store_key: None,
            output: Output::Folder(scratch.path().join("logs")),
        })
        .await?;
        let postgres = Postgres::open(PostgresOptions {
            server: tools::postgres_server(&place, Source::Installed)?,
            folder: scratch.path().join("postgres"),
            port: Port::reserve(None)?,
            durable: true,
            account: place.account,
            certificates: None,
            output: Output::Folder(scratch.path().join("logs")),
        })
        .await?;
        scratch.started();
        let masters = format!("bench {:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
        Ok(Self { nats, postgres, masters, scratch })
    }

    /// The log, sealed as in production, as its owner: nobody else may write all of it.
    pub(crate) async fn owned_log(&self) -> anyhow::Result<Arc<dyn Log>> {
        let log = JetStreamLog::with_prefix(self.connect(Account::Admin).await?, OWNER_API_PREFIX);
        self.sealed(log).await
    }

    /// The same log as the projector reads it, with no key in memory yet.
    pub(crate) async fn log(&self) -> anyhow::Result<Arc<dyn Log>> {
        let plain = PlainAddress::parse(&self.nats.url(Account::Projector)).context("no plain address")?;
        let PlainAddress { host, port, user, password } = plain;
        let bulk = BulkAddress { host, port, user, password };
        self.sealed(JetStreamLog::new(self.connect(Account::Projector).await?).bulk_from(Some(bulk))).await
    }

    async fn connect(&self, account: Account) -> anyhow::Result<async_nats::Client> {
        Ok(nats::connect(&self.nats.url(account), "bench").await?)
    }

    async fn sealed(&self, log: JetStreamLog) -> anyhow::Result<Arc<dyn Log>> {
        log.reachable().await?;
        Ok(SealedLog::new(Arc::new(log.clone()), KeyRing::start(log, self.masters.parse()?)))
    }

    pub(crate) fn database(&self) -> anyhow::Result<Database> {
        Ok(Database::new(&self.postgres.url(Role::Projector), "bench")?)
    }

    /// The superuser's address.
    pub(crate) fn admin(&self) -> String {
        self.postgres.url(Role::Admin)
    }

    /// A folder for files of this run.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.scratch.path()
    }

    pub(crate) async fn processes(&self) -> anyhow::Result<Processes> {
        Ok(Processes {
            postgres: self.postgres.pid().await.context("PostgreSQL does not run")?,
            nats: self.nats.pid().await.context("nats-server does not run")?,
        })
    }
}
