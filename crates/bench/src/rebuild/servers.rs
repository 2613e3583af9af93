//! The servers of one run: configured as in production, except for the sync interval of the log.

use std::sync::Arc;

use anyhow::Context;
use event_store::{BulkAddress, JetStreamLog, Log};
use harness::{
    Account, Nats, Postgres, Role,
    checkout::{Checkout, Scratch},
    nats::NatsOptions,
    output::Output,
    port::Port,
    postgres::PostgresOptions,
    tools::{self, Source},
};
use projector::Database;
use sealing::{EncryptedLog, KeyRing};
use service_kit::nats::{self, PlainAddress};
use wire::OWNER_API_PREFIX;

use crate::cpu::Processes;

/// The differences to production, for the report.
pub(crate) const SETTINGS: &str = "nats-server flushes at its default interval, because its log is only filled to be \
                                   read; PostgreSQL has its own defaults, fsync included";

/// The running servers. They are stopped when this value is dropped.
pub(crate) struct Servers {
    nats: Nats,
    postgres: Postgres,
    /// The master keys for personal values, in the format of a master key file.
    masters: String,
    /// Declared after the servers, so that their files are deleted last.
    scratch: Scratch,
}

impl Servers {
    pub(crate) async fn start(partitions: u16) -> anyhow::Result<Self> {
        let checkout = Checkout::current()?;
        let scratch = Scratch::create()?;
        let config = std::fs::read_to_string(checkout.repository.join("nats.conf")).context("cannot read nats.conf")?;
        let config_file = scratch.path().join("nats.conf");
        std::fs::write(&config_file, config.replace("sync_interval: always", "sync_interval: 2m"))?;
        let nats = Nats::open(NatsOptions {
            server: tools::nats_server(&checkout, Source::Installed)?,
            config: config_file,
            folder: scratch.path().join("nats"),
            port: Port::reserve(None)?,
            partitions,
            certificates: None,
            store_key: None,
            output: Output::Folder(scratch.path().join("logs")),
        })
        .await?;
        let postgres = Postgres::open(PostgresOptions {
            server: tools::postgres_server(&checkout, Source::Installed)?,
            folder: scratch.path().join("postgres"),
            port: Port::reserve(None)?,
            durable: true,
            account: checkout.account,
            certificates: None,
            output: Output::Folder(scratch.path().join("logs")),
        })
        .await?;
        scratch.started();
        let masters = format!("bench {:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
        Ok(Self { nats, postgres, masters, scratch })
    }

    /// Opens the log with encryption as in production, with the owner's account: no other may write all streams.
    pub(crate) async fn owner_log(&self) -> anyhow::Result<Arc<dyn Log>> {
        let log = JetStreamLog::with_prefix(self.connect(Account::Admin).await?, OWNER_API_PREFIX);
        self.encrypted(log).await
    }

    /// Opens the same log as the projector does, with no user keys in memory yet.
    pub(crate) async fn log(&self) -> anyhow::Result<Arc<dyn Log>> {
        let plain = PlainAddress::parse(&self.nats.url(Account::Projector)).context("no plain address")?;
        let PlainAddress { host, port, user, password } = plain;
        let bulk = BulkAddress { host, port, user, password };
        self.encrypted(JetStreamLog::new(self.connect(Account::Projector).await?).with_bulk(Some(bulk))).await
    }

    async fn connect(&self, account: Account) -> anyhow::Result<async_nats::Client> {
        Ok(nats::connect(&self.nats.url(account), "bench").await?)
    }

    async fn encrypted(&self, log: JetStreamLog) -> anyhow::Result<Arc<dyn Log>> {
        log.reachable().await?;
        let keys = KeyRing::start(log.server().clone(), self.masters.parse()?);
        Ok(EncryptedLog::new(Arc::new(log), keys))
    }

    pub(crate) fn database(&self) -> anyhow::Result<Database> {
        Ok(Database::new(&self.postgres.url(Role::Projector), "bench")?)
    }

    /// The URL with the superuser's credentials.
    pub(crate) fn admin(&self) -> String {
        self.postgres.url(Role::Admin)
    }

    /// The folder for files of this run.
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
