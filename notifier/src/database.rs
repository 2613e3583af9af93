//! Connections to PostgreSQL: to the tables of the notifier together with those of the served generation.

use std::{str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool,
    migrate::MigrateError,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
    query, query_scalar,
};
use tokio::{sync::Mutex, time::timeout};

/// Timeout of a connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The timeout for a connection of a busy pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// The channel on which changes by operators are announced.
pub(crate) const CHANGES: &str = "boxroom_notifier_changes";

/// The idle time after which the server ends the connection of the locks.
const LOCKS_IDLE_LIMIT: &str = "4s";

/// Address and credentials of the database, and the connections to the served generation.
pub(crate) struct Database {
    options: PgConnectOptions,
    pool_size: u32,
    /// Reads the table of generations.
    control: PgPool,
    /// Sees the tables of the notifier only, so it does not need a served generation.
    pub(crate) delivery: PgPool,
    served: Mutex<Option<Generation>>,
}

/// The served generation of the read model, and a pool of connections that see its tables and those of the notifier.
#[derive(Debug, Clone)]
pub(crate) struct Generation {
    number: i32,
    pub(crate) pool: PgPool,
}

impl Database {
    /// Parses a URL (`postgres://user:password@host:port/database`). Connects when it is used.
    pub(crate) fn new(url: &str, pool_size: u32) -> Result<Self, sqlx::Error> {
        let options = PgConnectOptions::from_str(url)?.application_name("notifier").options([
            ("statement_timeout", "10s"),
            ("lock_timeout", "2s"),
            // A notifier that freezes within a transaction must not hold its rows forever.
            ("idle_in_transaction_session_timeout", "5s"),
        ]);
        let control = pool(2, options.clone().options([("search_path", "control")]));
        let delivery = pool(pool_size, options.clone().options([("search_path", "delivery")]));
        Ok(Self { options, pool_size, control, delivery, served: Mutex::default() })
    }

    /// Migrates the notifier's tables to this build's version. Safe to run concurrently.
    pub(crate) async fn migrate(&self) -> Result<(), MigrateError> {
        let options = self.options.clone().options([("search_path", "delivery")]);
        let mut connection =
            timeout(CONNECT_TIMEOUT, options.connect()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
        let mut migrations = sqlx::migrate!("../migrations/delivery");
        // In a rolling upgrade this build may restart after a newer one has migrated.
        migrations.set_ignore_missing(true).run(&mut connection).await?;
        connection.close().await?;
        Ok(())
    }

    /// Opens the connection that holds locks and listens to channels. The server ends it, and the locks with it, after
    /// four idle seconds. It does not connect again by itself.
    pub(crate) async fn locks(&self, channels: &[&str]) -> Result<PgListener, sqlx::Error> {
        let one = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(CONNECT_TIMEOUT)
            .max_lifetime(None)
            .idle_timeout(None)
            .test_before_acquire(false);
        let options = self.options.clone().options([("idle_session_timeout", LOCKS_IDLE_LIMIT)]);
        let open = async {
            let mut listener = PgListener::connect_with(&one.connect_with(options).await?).await?;
            listener.eager_reconnect(false);
            listener.listen_all(channels.iter().copied()).await?;
            Ok(listener)
        };
        timeout(CONNECT_TIMEOUT, open).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    /// Returns the served generation: the newest active one of this build's version. There is none before the projector
    /// has built one.
    pub(crate) async fn served(&self) -> Result<Option<Generation>, sqlx::Error> {
        let mut served = self.served.lock().await;
        let number = query_scalar!(
            "select generation
             from control.generations
             where state = 'active' and model_version = $1
             order by generation desc
             limit 1",
            read_model::version()
        );
        let number = timeout(ACQUIRE_TIMEOUT, number.fetch_optional(&self.control)).await;
        let number = number.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
        if let Some(number) = number
            && served.as_ref().is_none_or(|served| served.number != number)
        {
            // The projector looks for this name before it drops a generation's tables.
            let name = format!("notifier g{number}");
            let options = self.options.clone().application_name(&name);
            let options = options.options([("search_path", format!("read_g{number},delivery"))]);
            let former = served.replace(Generation { number, pool: pool(self.pool_size, options) });
            if let Some(former) = former {
                // Ends when its last connection is returned.
                tokio::spawn(async move { former.pool.close().await });
            }
            tracing::info!(generation = number, "reading another generation");
        }
        Ok(served.clone().filter(|_| number.is_some()))
    }

    /// Returns the generation that was served when it was last looked for.
    pub(crate) async fn last_served(&self) -> Result<Generation, sqlx::Error> {
        self.served.lock().await.clone().ok_or(sqlx::Error::PoolClosed)
    }

    /// Returns true if the database answers.
    pub(crate) async fn answers(&self) -> Result<(), sqlx::Error> {
        self.control.acquire().await?.ping().await
    }
}

/// Announces a change by an operator to all notifiers, when the transaction is committed.
pub(crate) async fn announce_change(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    query!("select pg_notify($1, '') as sent", CHANGES).fetch_one(connection).await?;
    Ok(())
}

fn pool(size: u32, options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new().max_connections(size).acquire_timeout(ACQUIRE_TIMEOUT).connect_lazy_with(options)
}

/// Keeps a connection alive. Returns an error if it does not answer.
pub(crate) async fn ping(connection: &mut PgConnection, limit: Duration) -> Result<(), sqlx::Error> {
    timeout(limit, connection.ping()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
