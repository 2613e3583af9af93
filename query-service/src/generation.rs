//! Which generation of the read model is served: a connection pool for each, the newest active one of this build's version.

use std::{collections::HashMap, str::FromStr, sync::Arc, thread, time::Duration};

use async_nats::Client;
use domain::{Position, notice};
use futures::{StreamExt, future::try_join_all};
use sqlx::{
    AssertSqlSafe, Connection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{
    runtime::{self, Handle},
    sync::watch,
    task::JoinHandle,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use crate::{error::Error, metrics::METRICS, settings::Settings};

/// How often the table of generations is looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// How long the watch waits for an answer before it calls the database unreachable.
const WATCH_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a new generation may take to be as far as the former one.
const SWITCH_TIMEOUT: Duration = Duration::from_secs(2);

/// How often it is looked whether it is.
const LOOK: Duration = Duration::from_millis(5);

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
    /// Searches have connections of their own: however many there are, other reads go on.
    search_pool: PgPool,
    reachable: watch::Receiver<bool>,
    progress: watch::Receiver<Progress>,
    /// Which life of the log it is built from.
    life: Arc<str>,
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
        self.acquire_from(&self.pool).await
    }

    /// Returns a connection for a search, whose statements are cancelled when their budget is spent.
    pub(crate) async fn acquire_for_search(&self) -> Result<PoolConnection<Postgres>, Error> {
        self.acquire_from(&self.search_pool).await
    }

    async fn acquire_from(&self, pool: &PgPool) -> Result<PoolConnection<Postgres>, Error> {
        let _waiting = METRICS.waits_for_connection();
        tokio::select! {
            connection = pool.acquire() => Ok(connection?),
            () = unreachable(self.reachable.clone()) => Err(Error::DatabaseUnavailable(sqlx::Error::PoolTimedOut)),
        }
    }

    /// Which life of the log it is built from: another one after the log was restored.
    pub(crate) fn life(&self) -> Arc<str> {
        self.life.clone()
    }

    fn is(&self, active: &Active) -> bool {
        self.number == active.number && *self.life == *active.life
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
    upcoming: watch::Receiver<Option<i64>>,
    reachable: watch::Receiver<bool>,
}

impl Generations {
    /// Looks for the generation every second, for as long as the process lives.
    pub(crate) fn watch(settings: &Settings, nats: Client) -> Result<Self, sqlx::Error> {
        let options = PgConnectOptions::from_str(&settings.database_url)?.application_name("query-service").options([
            ("default_transaction_read_only", "on"),
            // a hung statement must not keep a connection of the pool
            ("statement_timeout", "10s"),
        ]);
        let (announce, current) = watch::channel(None);
        let (foretell, upcoming) = watch::channel(None);
        let (tell, reachable) = watch::channel(false);
        let activations = activations(nats.clone());
        let opener = Opener {
            options,
            pool_size: settings.database_pool,
            search_pool_size: settings.search_pool,
            search_budget_ms: settings.search_budget,
            nats,
            upcoming: foretell,
            reachable: tell,
            requests: Handle::current(),
        };
        // On a thread of its own: when thousands of clients come at once, everything else waits for its turn, and an
        // answer of the database that is only heard late must not look like none.
        let alone = runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new()
            .name("generations".to_owned())
            .spawn(move || alone.block_on(keep_current(opener, announce, activations)))?;
        Ok(Self { current, upcoming, reachable })
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

    /// The number of the generation that is served soon, from the moment at which it is prepared for that.
    pub(crate) fn upcoming(&self) -> watch::Receiver<Option<i64>> {
        self.upcoming.clone()
    }

    /// Whether the database answered the last look at its generations.
    pub(crate) fn is_reachable(&self) -> bool {
        *self.reachable.borrow()
    }
}

async fn keep_current(
    opener: Opener,
    announce: watch::Sender<Option<Arc<Generation>>>,
    mut activations: watch::Receiver<()>,
) {
    let control = PgPoolOptions::new().max_connections(1).acquire_timeout(WATCH_TIMEOUT);
    let control = control.connect_lazy_with(opener.options.clone());
    let version = read_model::version();
    let mut ticks = interval(WATCH_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            Ok(()) = activations.changed() => {}
        }
        let found = timeout(WATCH_TIMEOUT, active(&control, &version)).await;
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

/// What is to be served.
struct Active {
    number: i64,
    life: Arc<str>,
}

/// The generation that is to be served, and which life of the log it is built from now: the database may have been
/// exchanged for another one.
async fn active(control: &PgPool, version: &str) -> Result<Option<Active>, sqlx::Error> {
    let Some(number) = active_number(control, version).await? else { return Ok(None) };
    // A schema's name cannot be a parameter; a number can do no harm.
    let sql = format!(
        "select md5(string_agg(stream || '.' || incarnation, ',' order by stream)) from read_g{number}.checkpoints"
    );
    let life: Option<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(control).await?;
    Ok(life.map(|life| Active { number, life: life.into() }))
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
    search_pool_size: u32,
    search_budget_ms: u64,
    nats: Client,
    /// Whoever hears notices begins to hear those of this generation.
    upcoming: watch::Sender<Option<i64>>,
    /// Whether the database answered last time.
    reachable: watch::Sender<bool>,
    /// Where requests are served, and so their connections.
    requests: Handle,
}

impl Opener {
    /// Opens a generation; in place of another one, only when it is as far as that one and has connections.
    async fn open(&self, active: Active, former: Option<Arc<Generation>>) -> Arc<Generation> {
        let number = active.number;
        let opened = Arc::new(self.prepare(active));
        self.upcoming.send_replace(Some(number));
        if let Some(former) = former {
            // Its connections belong to those who answer requests.
            let ready = self.requests.spawn(warm(Arc::clone(&opened), former));
            match timeout(SWITCH_TIMEOUT, ready).await {
                Ok(Ok(Ok(()))) => {}
                // Whoever insists on a position waits for it himself.
                Ok(Ok(Err(error))) => tracing::warn!(generation = number, %error, "the new generation was not warmed"),
                Ok(Err(_)) | Err(_) => tracing::warn!(generation = number, "the new generation is slow"),
            }
        }
        opened
    }

    fn prepare(&self, Active { number, life }: Active) -> Generation {
        let _requests = self.requests.enter();
        // The name is what the projector looks for before it drops a generation's tables.
        let name = format!("query-service g{number}");
        let options =
            self.options.clone().application_name(&name).options([("search_path", format!("read_g{number}"))]);
        let budget = self.search_budget_ms.to_string();
        let search_pool = pool(self.search_pool_size, options.clone().options([("statement_timeout", budget)]));
        let pool = pool(self.pool_size, options);
        let (announce, progress) = watch::channel(Progress::new());
        let listener = tokio::spawn(note_progress(self.nats.clone(), number, announce));
        Generation { number, pool, search_pool, reachable: self.reachable.subscribe(), progress, life, listener }
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

/// Opens as many connections as the former generation has, and waits until this one is where that one is: nobody who has
/// read that one shall see less in this one.
async fn warm(opened: Arc<Generation>, former: Arc<Generation>) -> Result<(), Error> {
    try_join_all((0..former.pool.size().max(1)).map(|_| async {
        let mut connection = opened.acquire().await?;
        Ok::<_, Error>(connection.ping().await?)
    }))
    .await?;
    let wanted = positions(&former).await?;
    while positions(&opened).await?.iter().any(|(stream, position)| wanted.get(stream).is_some_and(|w| position < w)) {
        sleep(LOOK).await;
    }
    Ok(())
}

async fn positions(generation: &Generation) -> Result<HashMap<String, i64>, Error> {
    let mut connection = generation.acquire().await?;
    let rows = sqlx::query!("select stream, position from checkpoints").fetch_all(&mut *connection).await?;
    Ok(rows.into_iter().map(|row| (row.stream, row.position)).collect())
}

/// Changes whenever the projector says that another generation is active.
fn activations(nats: Client) -> watch::Receiver<()> {
    let (announce, activations) = watch::channel(());
    tokio::spawn(async move {
        while !announce.is_closed() {
            match nats.subscribe(notice::ACTIVATED).await {
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
