//! Connections to PostgreSQL: every one of them named after this process and bounded in the time it may hold a lock.

use std::{str::FromStr, time::Duration};

use sqlx::{ConnectOptions, PgConnection, postgres::PgConnectOptions};
use tokio::time::timeout;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);

/// Where the read models are, and as whom to connect.
#[derive(Debug, Clone)]
pub struct Database {
    options: PgConnectOptions,
    instance: String,
}

impl Database {
    /// The database behind a URL (`postgres://user:password@host:port/database`). `instance` names this process among
    /// its like: whoever takes over its work ends the connections of that name.
    pub fn new(url: &str, instance: &str) -> Result<Self, sqlx::Error> {
        let options = PgConnectOptions::from_str(url)?.application_name(instance).options([
            // A writer that is frozen in the middle of a transaction must not hold its rows for ever.
            ("idle_in_transaction_session_timeout", "2s"),
            ("lock_timeout", "2s"),
            // For `analyze` while a generation grows: plans need the tables' size, not their finest details.
            ("default_statistics_target", "10"),
        ]);
        Ok(Self { options, instance: instance.to_owned() })
    }

    /// The name of this process.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// A connection to the tables of one generation.
    pub async fn generation(&self, generation: i32) -> Result<PgConnection, sqlx::Error> {
        connect(self.options.clone().options([("search_path", format!("read_g{generation},control"))])).await
    }

    /// A connection to the tables that all generations share.
    pub async fn control(&self) -> Result<PgConnection, sqlx::Error> {
        connect(self.options.clone().options([("search_path", "control")])).await
    }

    /// A connection to hold leases with: the server ends it when it falls silent, and the leases with it.
    pub(crate) async fn leases(&self) -> Result<PgConnection, sqlx::Error> {
        let options = self.options.clone().options([("search_path", "control"), ("idle_session_timeout", "3s")]);
        connect(options).await
    }
}

async fn connect(options: PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    timeout(CONNECT, options.connect()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
