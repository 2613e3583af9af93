//! Connections to PostgreSQL. Each has this process's name and limits the time for which it may hold a lock.

use std::{str::FromStr, time::Duration};

use clap::Args;
use sqlx::{
    ConnectOptions, PgConnection,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::time::timeout;

/// Timeout of a connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The read models' database.
#[derive(Debug, Clone, Args)]
pub struct DatabaseArgs {
    /// Database URL with the role that owns the read models: `postgres://user:password@host:port/database`
    #[arg(long, env = "BOXROOM_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: String,
}

/// Address and credentials of the read models' database.
#[derive(Debug, Clone)]
pub struct Database {
    options: PgConnectOptions,
    instance: String,
}

impl Database {
    /// Parses a URL (`postgres://user:password@host:port/database`). `instance` names this process among the
    /// projectors: the next holder of its leases terminates the connections with that name.
    pub fn new(url: &str, instance: &str) -> Result<Self, sqlx::Error> {
        let options = PgConnectOptions::from_str(url)?.application_name(instance).options([
            // A writer that freezes within a transaction must not hold its rows forever.
            ("idle_in_transaction_session_timeout", "2s"),
            ("lock_timeout", "2s"),
            // For `analyze` while a generation grows: plans need the tables' sizes, not detailed statistics.
            ("default_statistics_target", "10"),
        ]);
        Ok(Self { options, instance: instance.to_owned() })
    }

    /// The name of this process.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Connects to the tables of one generation.
    pub async fn generation(&self, generation: i32) -> Result<PgConnection, sqlx::Error> {
        connect(self.options.clone().options([("search_path", format!("read_g{generation},control"))])).await
    }

    /// Connects to the tables that all generations share.
    pub async fn control(&self) -> Result<PgConnection, sqlx::Error> {
        connect(self.options.clone().options([("search_path", "control")])).await
    }

    /// Opens a connection that holds leases. The server ends it, and the leases with it, after three idle seconds.
    pub(crate) async fn leases(&self) -> Result<PgConnection, sqlx::Error> {
        connect(self.ending_when_idle("3s")).await
    }

    /// Opens a connection that holds the lock of a task. The server ends it, and the lock with it, after four idle
    /// seconds.
    pub(crate) async fn leader_lock(&self) -> Result<PgConnection, sqlx::Error> {
        connect(self.ending_when_idle("4s")).await
    }

    fn ending_when_idle(&self, limit: &str) -> PgConnectOptions {
        self.options.clone().options([("search_path", "control"), ("idle_session_timeout", limit)])
    }

    /// Opens a connection that listens to a channel. It connects again by itself.
    pub(crate) async fn listener(&self, channel: &str) -> Result<PgListener, sqlx::Error> {
        let one = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(CONNECT_TIMEOUT)
            .max_lifetime(None)
            .idle_timeout(None)
            .test_before_acquire(false);
        let listen = async {
            let mut listener = PgListener::connect_with(&one.connect_with(self.options.clone()).await?).await?;
            listener.listen(channel).await?;
            Ok(listener)
        };
        timeout(CONNECT_TIMEOUT, listen).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }
}

async fn connect(options: PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    timeout(CONNECT_TIMEOUT, options.connect()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
