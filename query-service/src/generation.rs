//! The served generation of the read model: the newest active one of this build's version. Each has a connection pool.

mod active;

use std::{collections::HashMap, str::FromStr, sync::Arc, thread, time::Duration};

use async_nats::Client;
use domain::Position;
use futures::{StreamExt, future::try_join_all};
use sqlx::{
    Connection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use supervision::ticks::next_tick;
use tokio::{
    runtime::{self, Handle},
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};
use wire::transient;

use self::active::{Active, Control, is_answer};
use crate::{error::Error, metrics::METRICS, settings::Settings};

/// The interval between two tests of the watch's connection.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// The longest time between two reads of the table of generations, in case that a notification was lost.
const MAX_WAIT: Duration = Duration::from_mins(2);

/// The time after which the watch calls the database unreachable.
const WATCH_TIMEOUT: Duration = Duration::from_secs(2);

/// The time that a new generation has to catch up with the former one.
const SWITCH_TIMEOUT: Duration = Duration::from_secs(2);

/// The interval between two comparisons of their positions.
const CATCH_UP_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The timeout for a connection of a busy pool. Reads of an unreachable database fail at once.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// The idle time after which a connection is tested before use.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// The last projected sequence of each stream, from notifications only: a hint to read checkpoints again, not a fact.
pub(crate) type Progress = HashMap<String, u64>;

/// One generation of the read model. Held by the requests that read it and by [`Generations`]. Its pool closes when the
/// last holder drops it.
pub(crate) struct Generation {
    number: i64,
    pool: PgPool,
    /// Searches have connections of their own: however many there are, other reads go on.
    search_pool: PgPool,
    reachable: watch::Receiver<bool>,
    progress: watch::Sender<Progress>,
    /// The incarnations of the log that it is built from, as one hash.
    incarnation: Arc<str>,
}

impl Generation {
    /// Returns the number of the generation, as in schema names and subjects.
    pub(crate) fn number(&self) -> i64 {
        self.number
    }

    /// Returns the pool, for metrics.
    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Acquires a connection that sees this generation's tables only.
    pub(crate) async fn acquire(&self) -> Result<PoolConnection<Postgres>, Error> {
        self.acquire_from(&self.pool).await
    }

    /// Returns a connection for a search, whose statements are cancelled when their budget is spent.
    pub(crate) async fn acquire_for_search(&self) -> Result<PoolConnection<Postgres>, Error> {
        let connection = self.acquire_from(&self.search_pool).await;
        connection.map_err(|error| match error {
            // The pool is exhausted, because a cancelled statement has not ended yet.
            Error::DatabaseUnavailable(sqlx::Error::PoolTimedOut) if *self.reachable.borrow() => Error::SearchBusy,
            other => other,
        })
    }

    async fn acquire_from(&self, pool: &PgPool) -> Result<PoolConnection<Postgres>, Error> {
        let _waiting = METRICS.start_pool_wait();
        tokio::select! {
            connection = pool.acquire() => Ok(connection?),
            () = unreachable(self.reachable.clone()) => Err(Error::DatabaseUnavailable(sqlx::Error::PoolTimedOut)),
        }
    }

    /// Returns the incarnations of the log that it is built from, as one hash. It differs after a restore of the log.
    pub(crate) fn incarnation(&self) -> Arc<str> {
        self.incarnation.clone()
    }

    fn is(&self, active: &Active) -> bool {
        self.number == active.number && *self.incarnation == *active.incarnation
    }

    /// Returns the progress according to notifications.
    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Records the progress of a stream according to a notification.
    pub(crate) fn record_progress(&self, Position { stream, sequence, .. }: Position) {
        self.progress.send_modify(|progress| {
            progress.insert(stream, sequence);
        });
    }
}

/// Returns as soon as the database does not answer the watch.
async fn unreachable(mut reachable: watch::Receiver<bool>) {
    if reachable.wait_for(|reachable| !reachable).await.is_err() {
        // The watch has ended, because the process stops.
        std::future::pending::<()>().await;
    }
}

/// The served generation, and the watch that replaces it. One per process.
#[derive(Clone)]
pub(crate) struct Generations {
    current: watch::Receiver<Option<Arc<Generation>>>,
    upcoming: watch::Receiver<Option<i64>>,
    reachable: watch::Receiver<bool>,
}

impl Generations {
    /// Starts the watch, which reads the table of generations whenever it has changed, and tests the connection every
    /// second.
    pub(crate) fn watch(settings: &Settings, nats: Client) -> Result<Self, sqlx::Error> {
        let options = PgConnectOptions::from_str(&settings.database_url)?.application_name("query-service").options([
            ("default_transaction_read_only", "on"),
            // Frees the pool's connection from a hung statement.
            ("statement_timeout", "10s"),
            // Pages are short: workers would cost more than they save, and one request would occupy several cores.
            ("max_parallel_workers_per_gather", "0"),
        ]);
        let (announce, current) = watch::channel(None);
        let (announce_upcoming, upcoming) = watch::channel(None);
        let (announce_reachable, reachable) = watch::channel(false);
        let activations = activations(nats);
        let opener = GenerationOpener {
            options,
            pool_size: settings.database_pool,
            search_pool_size: settings.search_pool,
            search_budget_ms: settings.search_budget,
            upcoming: announce_upcoming,
            reachable: announce_reachable,
            requests: Handle::current(),
        };
        // On a thread of its own: when thousands of clients connect at once, all other tasks are delayed, and a late
        // answer of the database must not look like an outage.
        let watch_runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("generations".to_owned()).spawn(move || {
            watch_runtime
                .block_on(supervision::run("the watcher of generations", keep_current(opener, announce, activations)));
        })?;
        Ok(Self { current, upcoming, reachable })
    }

    /// Returns the generation that a request uses from its start to its end.
    pub(crate) fn current(&self) -> Result<Arc<Generation>, Error> {
        match self.current.borrow().clone() {
            Some(generation) => Ok(generation),
            None if self.is_reachable() => Err(Error::ReadModelUnavailable),
            None => Err(Error::DatabaseUnavailable(sqlx::Error::PoolTimedOut)),
        }
    }

    /// Returns a receiver of the current generation and every later one.
    pub(crate) fn changes(&self) -> watch::Receiver<Option<Arc<Generation>>> {
        self.current.clone()
    }

    /// Returns a receiver of the number of the generation that is being prepared for serving.
    pub(crate) fn upcoming(&self) -> watch::Receiver<Option<i64>> {
        self.upcoming.clone()
    }

    /// Returns true if the database answered the last read of its generations.
    pub(crate) fn is_reachable(&self) -> bool {
        *self.reachable.borrow()
    }
}

async fn keep_current(
    opener: GenerationOpener,
    announce: watch::Sender<Option<Arc<Generation>>>,
    mut activations: watch::Receiver<()>,
) {
    let mut control = Control::new(opener.options.clone());
    let version = read_model::version();
    let mut fresh_until = Instant::now();
    loop {
        tokio::select! {
            () = sleep_until(next_tick(WATCH_INTERVAL)) => {
                match timeout(WATCH_TIMEOUT, control.answers()).await {
                    Ok(true) if Instant::now() < fresh_until => continue,
                    Ok(_) => {}
                    // Reads need not wait until a new connection has failed as well.
                    Err(_) => drop(opener.reachable.send_replace(false)),
                }
            }
            () = control.changed() => {}
            Ok(()) = activations.changed() => {}
        }
        fresh_until = Instant::now();
        let found = timeout(WATCH_TIMEOUT, control.active(&version)).await;
        let found = found.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        opener.reachable.send_replace(found.as_ref().map_or_else(is_answer, |_| true));
        let active = match found {
            Ok(active) => active,
            // The generation served so far is still the best guess.
            Err(error) => {
                tracing::debug!(%error, "cannot read the table of generations");
                continue;
            }
        };
        if active.is_some() {
            fresh_until = Instant::now() + MAX_WAIT;
        }
        let former = announce.borrow().clone();
        let is_served = match (&former, &active) {
            (Some(former), Some(active)) => former.is(active),
            (None, None) => true,
            (_, _) => false,
        };
        if !is_served {
            let (number, served) = (active.as_ref().map(|active| active.number), former.as_ref().map(|f| f.number));
            let next = match active {
                Some(active) => Some(opener.open(active, former).await),
                None => None,
            };
            tracing::info!(generation = number, former = served, "serving another generation");
            announce.send_replace(next);
        }
        if announce.is_closed() {
            return;
        }
    }
}

/// Opens generations. Holds the common parts of their pools.
struct GenerationOpener {
    options: PgConnectOptions,
    pool_size: u32,
    search_pool_size: u32,
    search_budget_ms: u64,
    /// Announces a generation, so that listeners subscribe to its notifications.
    upcoming: watch::Sender<Option<i64>>,
    /// True if the database answered the last read.
    reachable: watch::Sender<bool>,
    /// The runtime that serves requests and runs their database connections.
    requests: Handle,
}

impl GenerationOpener {
    /// Opens a generation. If it replaces another one, waits until it has caught up and has connections.
    async fn open(&self, active: Active, former: Option<Arc<Generation>>) -> Arc<Generation> {
        let number = active.number;
        let opened = Arc::new(self.prepare(active));
        self.upcoming.send_replace(Some(number));
        if let Some(former) = former {
            // The runtime of requests must own the connections.
            let ready = self.requests.spawn(warm(Arc::clone(&opened), former));
            match timeout(SWITCH_TIMEOUT, ready).await {
                Ok(Ok(Ok(()))) => {}
                // Served all the same: reads with `Min-Position` wait for it.
                Ok(Ok(Err(error))) => tracing::warn!(generation = number, %error, "the new generation was not warmed"),
                Ok(Err(_)) | Err(_) => tracing::warn!(generation = number, "the new generation is slow"),
            }
        }
        opened
    }

    fn prepare(&self, Active { number, incarnation }: Active) -> Generation {
        let _requests = self.requests.enter();
        // The projector looks for this name before it drops a generation's tables.
        let name = format!("query-service g{number}");
        let options =
            self.options.clone().application_name(&name).options([("search_path", format!("read_g{number}"))]);
        let budget = self.search_budget_ms.to_string();
        let search_pool = options.clone().options([
            ("statement_timeout", &*budget),
            // The plan of a search depends on its words and rooms.
            ("plan_cache_mode", "force_custom_plan"),
            ("jit", "off"),
        ]);
        let search_pool = pool(self.search_pool_size, search_pool);
        let pool = pool(self.pool_size, options);
        let progress = watch::Sender::new(Progress::new());
        Generation { number, pool, search_pool, reachable: self.reachable.subscribe(), progress, incarnation }
    }
}

fn pool(size: u32, options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(size)
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
        .connect_lazy_with(options)
}

/// Opens as many connections as the former generation has, and waits until the new one has reached its positions, so
/// that no client reads older data than before.
async fn warm(opened: Arc<Generation>, former: Arc<Generation>) -> Result<(), Error> {
    try_join_all((0..former.pool.size().max(1)).map(|_| async {
        let mut connection = opened.acquire().await?;
        Ok::<_, Error>(connection.ping().await?)
    }))
    .await?;
    let wanted = positions(&former).await?;
    while positions(&opened).await?.iter().any(|(stream, position)| wanted.get(stream).is_some_and(|w| position < w)) {
        sleep(CATCH_UP_POLL_INTERVAL).await;
    }
    Ok(())
}

async fn positions(generation: &Generation) -> Result<HashMap<String, i64>, Error> {
    let mut connection = generation.acquire().await?;
    let rows = sqlx::query!("select stream, position from checkpoints").fetch_all(&mut *connection).await?;
    Ok(rows.into_iter().map(|row| (row.stream, row.position)).collect())
}

/// Returns a receiver that changes with every activation that a projector announces.
fn activations(nats: Client) -> watch::Receiver<()> {
    let (announce, activations) = watch::channel(());
    supervision::spawn("the activation listener", async move {
        while !announce.is_closed() {
            match nats.subscribe(transient::ACTIVATED).await {
                Ok(mut notices) => {
                    while notices.next().await.is_some() {
                        announce.send_replace(());
                    }
                }
                Err(error) => tracing::warn!(%error, "cannot listen for activations"),
            }
            sleep(WATCH_INTERVAL).await;
        }
    });
    activations
}
