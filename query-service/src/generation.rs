//! Which generation of the read model is served: a connection pool for each, the newest active one of this build's version.

use std::{collections::HashMap, str::FromStr, sync::Arc, thread, time::Duration};

use async_nats::Client;
use domain::{Position, notice};
use futures::StreamExt;
use sqlx::{
    Connection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{
    runtime::{self, Handle},
    sync::watch,
    task::JoinHandle,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use crate::{error::Error, metrics::METRICS};

/// How often the table of generations is looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// How long the watch waits for an answer before it calls the database unreachable.
const WATCH_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a read waits for a connection of a busy pool; of an unreachable database, not at all.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that has idled for longer is asked whether it still lives before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// How far each stream is known to be projected, by the notices alone: a hint to look again, never the truth.
pub(crate) type Progress = HashMap<String, u64>;

/// One generation of the read model. Held by the requests that read it and by whoever hands it out;
/// its pool closes when the last of them lets go.
pub(crate) struct Generation {
    number: i64,
    pool: PgPool,
    reachable: watch::Receiver<bool>,
    progress: watch::Receiver<Progress>,
    listener: JoinHandle<()>,
}

impl Generation {
    /// Its number, as schemas and notices name it.
    pub(crate) fn number(&self) -> i64 {
        self.number
    }

    /// The pool, to be looked at.
    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A connection that sees this generation's tables only.
    pub(crate) async fn acquire(&self) -> Result<PoolConnection<Postgres>, Error> {
        let _waiting = METRICS.waits_for_connection();
        tokio::select! {
            connection = self.pool.acquire() => Ok(connection?),
            () = unreachable(self.reachable.clone()) => Err(Error::DatabaseUnavailable(sqlx::Error::PoolTimedOut)),
        }
    }

    /// What the notices have said so far.
    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }
}

/// Returns as soon as the database does not answer the watch.
async fn unreachable(mut reachable: watch::Receiver<bool>) {
    if reachable.wait_for(|reachable| !reachable).await.is_err() {
        // nobody watches any more: the process ends
        std::future::pending::<()>().await;
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// The generation that is served now, and the watch over it. One for the whole process.
#[derive(Clone)]
pub(crate) struct Generations {
    current: watch::Receiver<Option<Arc<Generation>>>,
    reachable: watch::Receiver<bool>,
}

impl Generations {
    /// Looks for the generation every second, for as long as the process lives.
    pub(crate) fn watch(database_url: &str, pool_size: u32, nats: Client) -> Result<Self, sqlx::Error> {
        let options = PgConnectOptions::from_str(database_url)?.application_name("query-service").options([
            ("default_transaction_read_only", "on"),
            // a hung statement must not keep a connection of the pool
            ("statement_timeout", "10s"),
        ]);
        let (announce, current) = watch::channel(None);
        let (tell, reachable) = watch::channel(false);
        let opener = Opener { options, pool_size, nats, reachable: tell, requests: Handle::current() };
        // On a thread of its own: when thousands of clients come at once, everything else waits for its turn, and an
        // answer of the database that is only heard late must not look like none.
        let alone = runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new()
            .name("generations".to_owned())
            .spawn(move || alone.block_on(keep_current(opener, announce)))?;
        Ok(Self { current, reachable })
    }

    /// The generation that a request uses from its start to its end.
    pub(crate) fn current(&self) -> Result<Arc<Generation>, Error> {
        match self.current.borrow().clone() {
            Some(generation) => Ok(generation),
            None if self.is_reachable() => Err(Error::ReadModelUnavailable),
            None => Err(Error::DatabaseUnavailable(sqlx::Error::PoolTimedOut)),
        }
    }

    /// The current generation and every later one.
    pub(crate) fn changes(&self) -> watch::Receiver<Option<Arc<Generation>>> {
        self.current.clone()
    }

    /// Whether the database answered the last look at its generations.
    pub(crate) fn is_reachable(&self) -> bool {
        *self.reachable.borrow()
    }
}

async fn keep_current(opener: Opener, announce: watch::Sender<Option<Arc<Generation>>>) {
    let control = PgPoolOptions::new().max_connections(1).acquire_timeout(WATCH_TIMEOUT);
    let control = control.connect_lazy_with(opener.options.clone());
    let version = read_model::version();
    let mut ticks = interval(WATCH_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let found = timeout(WATCH_TIMEOUT, active_number(&control, &version)).await;
        let found = found.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        opener.reachable.send_replace(found.as_ref().map_or_else(is_answer, |_| true));
        let active = match found {
            Ok(active) => active,
            // what was served before is still the best guess
            Err(error) => {
                tracing::debug!(%error, "cannot look at the generations");
                continue;
            }
        };
        let served = announce.borrow().as_ref().map(|generation| generation.number);
        if active != served {
            tracing::info!(generation = active, former = served, "serving another generation");
            announce.send_replace(active.map(|number| opener.open(number)));
        }
        if announce.is_closed() {
            return;
        }
    }
}

/// Whether an error is at least the answer of a database that runs: neither lost on the way nor said while it stops.
fn is_answer(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| !code.starts_with("57") && !code.starts_with("08"))
}

/// The newest active generation of this version; none as well before the first projector has made the table.
async fn active_number(control: &PgPool, version: &str) -> Result<Option<i64>, sqlx::Error> {
    let found = sqlx::query_scalar!(
        "
        select generation::bigint as \"generation!\"
        from control.generations
        where state = 'active' and model_version = $1
        order by generation desc
        limit 1
        ",
        version
    )
    .fetch_optional(control)
    .await;
    match found {
        Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| is_missing_table(&code)) => Ok(None),
        other => other,
    }
}

/// No such table, no such schema, no right to it: before the control tables are migrated.
fn is_missing_table(code: &str) -> bool {
    matches!(code, "42P01" | "3F000" | "42501")
}

/// Opens generations: what their pools and listeners have in common.
struct Opener {
    options: PgConnectOptions,
    pool_size: u32,
    nats: Client,
    /// Whether the database answered last time.
    reachable: watch::Sender<bool>,
    /// Where requests are served, and so their connections.
    requests: Handle,
}

impl Opener {
    fn open(&self, number: i64) -> Arc<Generation> {
        let _requests = self.requests.enter();
        let options = self.options.clone().options([("search_path", format!("read_g{number}"))]);
        let pool = PgPoolOptions::new()
            .max_connections(self.pool_size)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(|connection, state| {
                Box::pin(async move {
                    if state.idle_for > TRUSTED_IDLE {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        let (announce, progress) = watch::channel(Progress::new());
        let listener = tokio::spawn(note_progress(self.nats.clone(), number, announce));
        Arc::new(Generation { number, pool, reachable: self.reachable.subscribe(), progress, listener })
    }
}

/// Listens to what the projector says after each commit.
async fn note_progress(nats: Client, generation: i64, progress: watch::Sender<Progress>) {
    loop {
        match nats.subscribe(notice::all_projected(generation)).await {
            Ok(mut notices) => {
                while let Some(notice) = notices.next().await {
                    let position = std::str::from_utf8(&notice.payload).ok().and_then(|text| text.parse().ok());
                    if let Some(Position { stream, sequence, .. }) = position {
                        progress.send_modify(|seen| {
                            seen.insert(stream, sequence);
                        });
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "cannot listen to the projector's progress"),
        }
        sleep(WATCH_INTERVAL).await;
    }
}
