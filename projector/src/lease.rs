//! Leases assign the streams of each generation to projectors. They avoid duplicate work and decide on failover. The
//! checkpoint, not the lease, prevents double writes.

use std::time::Duration;

use read_model::CONTROL_CHANNEL;
use sqlx::{Connection, PgConnection, query};
use tokio::time::timeout;

use crate::{
    database::Database,
    generation::{
        control::{presence_name, writable},
        state::Generation,
    },
    status::{Progress, Track},
};

/// Timeout of a query, after which the leases count as lost.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);

/// The leases of this process, all held by one connection: they end with it. The server closes it after three idle
/// seconds, so it must be used more often than that.
#[derive(Debug)]
pub(crate) struct Leases {
    connection: PgConnection,
    instance: String,
}

impl Leases {
    /// Opens the connection. This process counts as a running projector from then on.
    pub(crate) async fn open(database: &Database) -> Result<Self, sqlx::Error> {
        let mut connection = database.leases().await?;
        // The others release some of their leases.
        let present = query!(
            "select pg_advisory_lock_shared(hashtextextended($1, 0)) as present, pg_notify($2, 'projectors') as sent",
            presence_name(&read_model::version()),
            CONTROL_CHANNEL
        );
        with_timeout(present.fetch_one(&mut connection)).await?;
        Ok(Self { connection, instance: database.instance().to_owned() })
    }

    /// Keeps the connection alive.
    pub(crate) async fn keep_alive(&mut self) -> Result<(), sqlx::Error> {
        with_timeout(self.connection.ping()).await
    }

    /// Returns the generations to write, and the number of running projectors, this one included. The query also keeps
    /// the connection alive.
    pub(crate) async fn generations(&mut self) -> Result<(Vec<Generation>, usize), sqlx::Error> {
        let (generations, projectors) = with_timeout(writable(&mut self.connection, &read_model::version())).await?;
        Ok((generations, usize::try_from(projectors).unwrap_or(1).max(1)))
    }

    /// Takes a lease if no other process holds it. First terminates the former holder's connections: it may be frozen
    /// within an open transaction.
    pub(crate) async fn acquire(&mut self, (generation, stream): Track) -> Result<bool, sqlx::Error> {
        let (stream, connection) = (stream.label(), &mut self.connection);
        let taken = query!(
            r#"select pg_try_advisory_lock(hashtextextended($1, 0)) as "taken!""#,
            lock_name(generation, &stream)
        );
        if !with_timeout(taken.fetch_one(&mut *connection)).await?.taken {
            return Ok(false);
        }
        let ended = query!(
            "select pg_terminate_backend(pid) as ended
             from control.leases
             join pg_stat_activity on application_name = holder
             where generation = $1
               and stream = $2
               and holder <> $3
               and usename = current_user
               and datname = current_database()",
            generation,
            stream,
            self.instance
        );
        let ended = with_timeout(ended.fetch_all(&mut *connection)).await?.len();
        if ended > 0 {
            tracing::warn!(
                generation,
                stream.label = stream,
                connections = ended,
                "ended the connections of the former holder"
            );
        }
        let recorded = query!(
            "insert into control.leases (generation, stream, holder, taken_at)
             values ($1, $2, $3, now())
             on conflict (generation, stream) do update set
               holder = excluded.holder,
               taken_at = excluded.taken_at,
               notices = false,
               progress = ''",
            generation,
            stream,
            self.instance
        );
        with_timeout(recorded.execute(connection)).await?;
        Ok(true)
    }

    /// Records the progress of a lease for operators and the driver.
    pub(crate) async fn describe(
        &mut self,
        (generation, stream): Track,
        sends_notifications: bool,
        progress: &Progress,
    ) -> Result<(), sqlx::Error> {
        let described = query!(
            "update control.leases
             set notices = $4, progress = $5
             where generation = $1 and stream = $2 and holder = $3",
            generation,
            stream.label(),
            self.instance,
            sends_notifications,
            progress.to_string()
        );
        with_timeout(described.execute(&mut self.connection)).await?;
        Ok(())
    }

    /// Releases a lease. The next holder then finds no connections to terminate.
    pub(crate) async fn release(&mut self, (generation, stream): Track) -> Result<(), sqlx::Error> {
        let stream = stream.label();
        let forgotten = query!(
            "delete from control.leases where generation = $1 and stream = $2 and holder = $3",
            generation,
            stream,
            self.instance
        );
        with_timeout(forgotten.execute(&mut self.connection)).await?;
        let unlocked =
            query!("select pg_advisory_unlock(hashtextextended($1, 0)) as unlocked", lock_name(generation, &stream));
        with_timeout(unlocked.fetch_one(&mut self.connection)).await?;
        Ok(())
    }
}

fn lock_name(generation: i32, stream: &str) -> String {
    format!("boxroom projector g{generation} {stream}")
}

async fn with_timeout<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    timeout(QUERY_TIMEOUT, answer).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
