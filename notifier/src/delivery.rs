//! Sends push messages and records the results. An attempt holds no database connection while the provider works.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::values::TargetHash;
use push::{Failure, Providers, Scope};
use sqlx::PgPool;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use uuid::Uuid;

use crate::{
    content::{Composed, Content, Preview, compose},
    database::Database,
    gate::{Call, Gate, Health, MAX_PAUSE, backoff},
    metrics::METRICS,
    pushes::{self, Outcome, Push, Running},
    removed_devices::RemovedDevices,
    texts::Texts,
};

/// The pause after the first failed attempt, and the limit to which it grows.
const MIN_RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_mins(10);

/// That limit for failures of a whole service.
const MAX_SERVICE_RETRY: Duration = Duration::from_secs(30);

/// The time limit of composing a message, and of an attempt to record a result. The server's own limits do not help if
/// it has vanished.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(15);

/// The pause of a provider that rejects the credentials of the installation.
const UNAUTHORIZED_PAUSE: Duration = Duration::from_mins(1);

/// The pause between attempts to record a result, while the database is unavailable.
const RECORD_RETRY: Duration = Duration::from_millis(500);

/// A provider as the tables name it, with its gate.
pub(crate) struct Route {
    pub(crate) provider: &'static str,
    pub(crate) gate: Arc<Gate>,
    /// The maximum number of calls to a host that a user has chosen, and for a user: a slow host delays only the
    /// messages to it.
    max_of_host: i64,
    max_of_user: i64,
    /// Held while calls are counted and begun.
    claims: tokio::sync::Mutex<()>,
}

impl Route {
    pub(crate) fn new(provider: &'static str, concurrency: u16) -> Self {
        let gate = Arc::new(Gate::new(usize::from(concurrency), MAX_PAUSE));
        let share = |of: u16| i64::from((concurrency / of).max(1));
        Self { provider, gate, max_of_host: share(4), max_of_user: share(8), claims: tokio::sync::Mutex::default() }
    }
}

/// A running attempt.
struct Attempt {
    provider: &'static str,
    host: String,
    user_id: String,
}

/// Sends for all streams of the process.
pub(crate) struct Delivery {
    pub(crate) database: Arc<Database>,
    pub(crate) providers: Providers,
    /// The providers with credentials.
    pub(crate) routes: Vec<Route>,
    pub(crate) texts: Texts,
    pub(crate) preview: Preview,
    pub(crate) removed_devices: RemovedDevices,
    /// The timeout of one call.
    pub(crate) timeout: Duration,
    in_flight: Mutex<BTreeMap<Uuid, Attempt>>,
    ended: watch::Sender<()>,
}

impl Delivery {
    pub(crate) fn new(
        database: Arc<Database>,
        providers: Providers,
        routes: Vec<Route>,
        (texts, preview): (Texts, Preview),
        removed_devices: RemovedDevices,
        timeout: Duration,
    ) -> Self {
        let (in_flight, ended) = (Mutex::default(), watch::Sender::new(()));
        Self { database, providers, routes, texts, preview, removed_devices, timeout, in_flight, ended }
    }

    /// Begins as many attempts as are due and allowed. Returns their number.
    pub(crate) async fn start(self: &Arc<Self>, pool: &PgPool, stream: &str) -> Result<usize, sqlx::Error> {
        let mut begun = 0;
        for route in &self.routes {
            let _claim = route.claims.lock().await;
            let mut reservation = route.gate.reserve();
            if reservation.calls() == 0 {
                continue;
            }
            let limit = i64::try_from(reservation.calls()).unwrap_or(i64::MAX);
            for push in pushes::claim(pool, stream, route.provider, limit, &self.running(route)).await? {
                let Some(call) = reservation.begin() else { break };
                begun += 1;
                let (host, user_id) = (push.host.clone(), push.group.user_id.clone());
                self.in_flight().insert(push.id, Attempt { provider: route.provider, host, user_id });
                supervision::spawn("a push message", self.clone().deliver(route.provider, call, push));
            }
        }
        Ok(begun)
    }

    /// Returns the messages that this process is sending.
    pub(crate) fn sending(&self) -> Vec<Uuid> {
        self.in_flight().keys().copied().collect()
    }

    /// Counts the attempts of a provider.
    fn running(&self, route: &Route) -> Running {
        let (max_of_host, max_of_user) = (route.max_of_host, route.max_of_user);
        let mut running = Running { max_of_host, max_of_user, ..Running::default() };
        for attempt in self.in_flight().values().filter(|attempt| attempt.provider == route.provider) {
            *running.users.entry(attempt.user_id.clone()).or_default() += 1;
            if !attempt.host.is_empty() {
                *running.hosts.entry(attempt.host.clone()).or_default() += 1;
            }
        }
        running
    }

    /// Returns a receiver that changes whenever an attempt has ended.
    pub(crate) fn ended(&self) -> watch::Receiver<()> {
        self.ended.subscribe()
    }

    /// Waits until no attempt runs.
    pub(crate) async fn drained(&self) {
        let mut ended = self.ended();
        while !self.in_flight().is_empty() {
            let _ = ended.changed().await;
        }
    }

    async fn deliver(self: Arc<Self>, provider: &'static str, call: Call, push: Push) {
        let begun = Instant::now();
        let (outcome, health) = self.attempt(&push).await;
        METRICS.attempted(provider, &outcome, begun.elapsed());
        // Recorded first: until then the attempt counts, so that a lost database stops further attempts.
        self.record(&push, &outcome).await;
        call.finish(health);
        self.in_flight().remove(&push.id);
        self.ended.send_replace(());
    }

    async fn attempt(&self, push: &Push) -> (Outcome, Health) {
        if push.expires_in_s <= 0 {
            return (Outcome::Dead("expired".to_owned()), Health::Unknown);
        }
        let content = match self.compose(push).await {
            Ok(Composed::Send(content)) => content,
            Ok(Composed::Skip(reason)) => return (Outcome::Skipped(reason), Health::Unknown),
            Ok(Composed::Invalid(detail)) => return (Outcome::Dead(detail), Health::Unknown),
            // The served generation has not reached the alarm.
            Ok(Composed::Later) => return (Outcome::Postponed(MIN_RETRY), Health::Unknown),
            Err(error) => {
                tracing::debug!(%error, "a push message cannot be composed now");
                return (Outcome::Postponed(MIN_RETRY), Health::Unknown);
            }
        };
        let sent = self.providers.send(&content.message, &content.target).await;
        self.outcome(push, &content, sent.err()).await
    }

    async fn compose(&self, push: &Push) -> Result<Composed, sqlx::Error> {
        let composed = async {
            let pool = self.database.last_served().await?.pool;
            let mut connection = pool.acquire().await?;
            compose(&mut connection, &self.texts, self.preview, push).await
        };
        timeout(DATABASE_TIMEOUT, composed).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    async fn outcome(&self, push: &Push, content: &Content, failure: Option<Failure>) -> (Outcome, Health) {
        let after = |pause: Option<Duration>, scope: Scope| {
            let attempts = push.attempt.unsigned_abs().saturating_sub(1);
            // The gate limits the attempts while a whole service fails.
            let longest = match scope {
                Scope::Service => MAX_SERVICE_RETRY,
                Scope::Target => MAX_RETRY,
            };
            pause.unwrap_or_default().max(backoff(attempts, MIN_RETRY, longest))
        };
        let expires = Duration::from_secs(push.expires_in_s.unsigned_abs());
        let retry = |pause: Duration, detail: String| {
            if pause < expires { Outcome::Retry(pause, detail) } else { Outcome::Dead(format!("expired: {detail}")) }
        };
        match failure {
            None => (Outcome::Sent, Health::Working),
            // A device that was registered after the provider lost it has another target by now.
            Some(Failure::Gone { since: _ }) => {
                let target = TargetHash::of(&content.stored_target);
                self.removed_devices.remove(&push.group.user_id, &push.device_id, &target).await;
                (Outcome::Gone, Health::Working)
            }
            Some(Failure::Rejected { detail } | Failure::Unauthorized { scope: Scope::Target, detail }) => {
                (Outcome::Dead(detail), Health::Working)
            }
            Some(Failure::Throttled { retry_after, scope }) => {
                let pause = after(retry_after, scope);
                let health = match scope {
                    Scope::Service => Health::Pausing(pause),
                    Scope::Target => Health::Working,
                };
                (retry(pause, "throttled".to_owned()), health)
            }
            Some(Failure::Unavailable { retry_after, scope, detail }) => {
                let health = match (scope, retry_after) {
                    (Scope::Service, Some(pause)) => Health::Pausing(pause),
                    (Scope::Service, None) => Health::Failing,
                    (Scope::Target, _) => Health::Working,
                };
                (retry(after(retry_after, scope), detail), health)
            }
            Some(Failure::Unauthorized { scope: Scope::Service, detail }) => {
                tracing::error!(detail, "a provider rejects the credentials");
                (retry(after(Some(UNAUTHORIZED_PAUSE), Scope::Service), detail), Health::Pausing(UNAUTHORIZED_PAUSE))
            }
        }
    }

    /// Records a result, as soon as the database is available.
    async fn record(&self, push: &Push, outcome: &Outcome) {
        loop {
            let recorded = timeout(DATABASE_TIMEOUT, pushes::record(&self.database.delivery, push, outcome)).await;
            let Err(error) = recorded.unwrap_or(Err(sqlx::Error::PoolTimedOut)) else { return };
            tracing::debug!(%error, "the result of a push message cannot be recorded yet");
            sleep(RECORD_RETRY).await;
        }
    }

    fn in_flight(&self) -> MutexGuard<'_, BTreeMap<Uuid, Attempt>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
