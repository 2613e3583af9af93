//! Sends events to webhooks and records the results. An attempt holds no database connection while the receiver works.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    body::Bytes,
    http::{Request, StatusCode, Uri, header},
};
use event_store::{Log, RecordedCommit, log::Freshness};
use push::outbound::{Client, RequestError, Response};
use service_kit::clock;
use sqlx::PgPool;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use wire::StreamName;

use super::{
    deliveries::{self, CursorKey, Delivery, EventKey, Outcome},
    payload::{self, CONTENT_TYPE},
};
use crate::{
    gate::{Call, Gate, Health, backoff},
    metrics::METRICS,
};

/// The maximum number of requests to one webhook at a time, and the number that it has beside many others.
const MAX_CONCURRENCY: usize = 8;
const MIN_CONCURRENCY: usize = 2;

/// The number of requests of the process up to which webhooks have more than the minimum.
pub(crate) const MAX_REQUESTS: usize = 256;

/// The longest pause of a webhook whose requests fail, before one of them is tried.
const MAX_PAUSE: Duration = Duration::from_mins(5);

/// The pause after the first failed attempt of an event.
const MIN_RETRY: Duration = Duration::from_secs(1);

/// The pause between attempts to record a result, while the database is unavailable.
const RECORD_RETRY: Duration = Duration::from_millis(500);

/// The limits of repeated attempts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SenderSettings {
    /// The longest pause between two attempts of an event.
    pub(crate) max_retry: Duration,
    /// The time after which an event is given up.
    pub(crate) lifetime: Duration,
}

impl SenderSettings {
    /// The time after which an event is given up, in seconds.
    pub(crate) fn lifetime_s(&self) -> i64 {
        i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX)
    }
}

/// Sends for all streams of the process.
pub(crate) struct Sender {
    pub(crate) pool: PgPool,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) settings: SenderSettings,
    client: Client,
    gates: Mutex<BTreeMap<String, Arc<Gate>>>,
    in_flight: Mutex<BTreeMap<EventKey, usize>>,
    ended: watch::Sender<()>,
    /// The numbers of events that are done or dead since the planner of their stream has asked.
    ended_events: Mutex<BTreeMap<(String, CursorKey), i64>>,
    /// The number of webhooks that are stopped in each stream.
    stopped: Mutex<BTreeMap<String, usize>>,
}

impl Sender {
    pub(crate) fn new(pool: PgPool, log: Arc<dyn Log>, client: Client, settings: SenderSettings) -> Self {
        let (gates, in_flight, ended) = (Mutex::default(), Mutex::default(), watch::Sender::new(()));
        let (ended_events, stopped) = (Mutex::default(), Mutex::default());
        Self { pool, log, settings, client, gates, in_flight, ended, ended_events, stopped }
    }

    /// Checks an address without connecting to it.
    pub(crate) fn check(&self, url: &str) -> Result<(), String> {
        let uri: Uri = url.parse().map_err(|_| "the address is not a URL".to_owned())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err("the address does not begin with https://".to_owned());
        }
        self.client.check(&uri).map_err(|error| error.to_string())
    }

    /// Begins as many attempts as are due and allowed. Returns their number.
    pub(crate) async fn start(self: &Arc<Self>, place: (&str, &str), webhook_id: &str) -> Result<usize, sqlx::Error> {
        let gate = self.gate(webhook_id);
        let mut reservation = gate.reserve();
        if reservation.calls() == 0 {
            return Ok(0);
        }
        let limit = i64::try_from(reservation.calls()).unwrap_or(i64::MAX);
        let mut begun = 0;
        for delivery in deliveries::claim(&self.pool, place, webhook_id, limit).await? {
            let Some(call) = reservation.begin() else { break };
            begun += 1;
            *self.in_flight().entry(delivery.key.clone()).or_default() += 1;
            supervision::spawn("a webhook", self.clone().deliver(call, delivery));
        }
        Ok(begun)
    }

    /// Returns the time after which a webhook may be called, given when an event is due. None while the end of an
    /// attempt is what to wait for.
    pub(crate) fn wait(&self, webhook_id: &str, due: Duration) -> Option<Duration> {
        self.gate(webhook_id).wait(due)
    }

    /// Forgets the failures of webhooks that are not active any more, and shares the requests among the others.
    pub(crate) fn keep(&self, active: &[&str]) {
        let mut gates = self.gates();
        gates.retain(|webhook_id, _| active.contains(&webhook_id.as_str()));
        for webhook_id in active {
            gates.entry((*webhook_id).to_owned()).or_insert_with(new_gate);
        }
        let concurrency = concurrency(gates.len());
        for gate in gates.values() {
            gate.set_concurrency(concurrency);
        }
    }

    /// Returns the number of events of a webhook or its replay that are done or dead since the last call.
    pub(crate) fn take_ended(&self, stream: &str, key: &CursorKey) -> i64 {
        let mut ended = self.ended_events.lock().unwrap_or_else(PoisonError::into_inner);
        ended.remove(&(stream.to_owned(), key.clone())).unwrap_or_default()
    }

    /// Sets the number of webhooks that are stopped in a stream.
    pub(crate) fn set_stopped(&self, stream: &str, webhooks: usize) {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).insert(stream.to_owned(), webhooks);
    }

    /// Returns the number of webhooks that are stopped, each counted for each stream.
    pub(crate) fn stopped(&self) -> usize {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// Returns the number of webhooks whose requests pause because they fail.
    pub(crate) fn pausing(&self) -> usize {
        self.gates().values().filter(|gate| gate.is_paused()).count()
    }

    /// Returns the events that this process is sending.
    pub(crate) fn sending(&self) -> Vec<EventKey> {
        self.in_flight().keys().cloned().collect()
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

    async fn deliver(self: Arc<Self>, call: Call, delivery: Delivery) {
        let key = &delivery.key;
        let id = payload::event_id(&key.stream, &key.incarnation, key.position, key.index);
        let begun = Instant::now();
        let (outcome, health) = self.attempt(&delivery, &id).await;
        METRICS.webhooks.attempted(&outcome, begun.elapsed());
        // Recorded first: until then the attempt counts, so that a lost database stops further attempts.
        self.record(&delivery, &id, &outcome).await;
        call.finish(health);
        self.finished(key);
        self.ended.send_replace(());
    }

    async fn attempt(&self, delivery: &Delivery, id: &str) -> (Outcome, Health) {
        let commit = match self.read(&delivery.key).await {
            Ok(commit) => commit,
            Err(error) => {
                tracing::debug!(error, "an event for a webhook cannot be read now");
                return (Outcome::Postponed(MIN_RETRY), Health::Unknown);
            }
        };
        let index = usize::try_from(delivery.key.index).unwrap_or_default();
        let body = match payload::body(&commit, index, id) {
            Ok(body) => body,
            Err(error) => return (self.failed(delivery, None, error.to_string()), Health::Unknown),
        };
        let Some(request) = request(delivery, id, body) else {
            return (self.failed(delivery, None, "the address is not a URL".to_owned()), Health::Failing);
        };
        let response = self.client.send(request).await;
        self.outcome(delivery, &response)
    }

    /// Reads a commit. The text of the error is for logs.
    async fn read(&self, key: &EventKey) -> Result<RecordedCommit, String> {
        let stream: StreamName = key.stream.parse().map_err(|_| format!("no stream is called {}", key.stream))?;
        let sequence = u64::try_from(key.position).unwrap_or_default();
        let mut found = self.log.get(stream, sequence, Freshness::AnyReplica).await;
        if let Ok(None) = found {
            found = self.log.get(stream, sequence, Freshness::Leader).await;
        }
        let recorded = found.map_err(|error| error.to_string())?.ok_or("the log does not hold it")?;
        RecordedCommit::parse(&recorded).map_err(|error| error.to_string())
    }

    fn outcome(&self, delivery: &Delivery, response: &Result<Response, RequestError>) -> (Outcome, Health) {
        let response = match response {
            Ok(response) if response.status.is_success() => return (Outcome::Done, Health::Working),
            Ok(response) => response,
            Err(error) => return (self.failed(delivery, None, error.to_string()), Health::Failing),
        };
        let detail = format!("status {}", response.status.as_u16());
        if response.status == StatusCode::GONE {
            return (Outcome::Gone(detail), Health::Working);
        }
        let retry_after = push::retry_after(&response.headers);
        let health = retry_after.map_or(Health::Failing, Health::Pausing);
        (self.failed(delivery, retry_after, detail), health)
    }

    fn failed(&self, delivery: &Delivery, retry_after: Option<Duration>, detail: String) -> Outcome {
        if delivery.is_last {
            return Outcome::Dead(detail);
        }
        let doublings = delivery.attempt.unsigned_abs().saturating_sub(1);
        let pause = backoff(doublings, MIN_RETRY.min(self.settings.max_retry), self.settings.max_retry);
        Outcome::Retry(retry_after.unwrap_or_default().max(pause), detail)
    }

    /// Records a result, as soon as the database is available.
    async fn record(&self, delivery: &Delivery, id: &str, outcome: &Outcome) {
        while let Err(error) = deliveries::record(&self.pool, delivery, id, outcome).await {
            tracing::debug!(%error, "the result of a webhook cannot be recorded yet");
            sleep(RECORD_RETRY).await;
        }
        if let Outcome::Done | Outcome::Dead(_) = outcome {
            let key = (delivery.key.webhook_id.clone(), delivery.key.is_replay);
            let mut ended = self.ended_events.lock().unwrap_or_else(PoisonError::into_inner);
            *ended.entry((delivery.key.stream.clone(), key)).or_default() += 1;
        }
        if let Outcome::Gone(_) = outcome {
            tracing::warn!(webhook.id = delivery.key.webhook_id, "the receiver wants no more events: paused");
        }
    }

    fn finished(&self, key: &EventKey) {
        let mut in_flight = self.in_flight();
        if let Some(count) = in_flight.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                in_flight.remove(key);
            }
        }
    }

    fn gate(&self, webhook_id: &str) -> Arc<Gate> {
        let mut gates = self.gates();
        let gate = gates.entry(webhook_id.to_owned());
        gate.or_insert_with(new_gate).clone()
    }

    fn gates(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Gate>>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn in_flight(&self) -> MutexGuard<'_, BTreeMap<EventKey, usize>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn new_gate() -> Arc<Gate> {
    Arc::new(Gate::new(MIN_CONCURRENCY, MAX_PAUSE))
}

/// Returns the maximum number of requests to each of so many webhooks at a time.
fn concurrency(webhooks: usize) -> usize {
    (MAX_REQUESTS / webhooks.max(1)).clamp(MIN_CONCURRENCY, MAX_CONCURRENCY)
}

/// Returns the signed request of an attempt. Its time is that of the attempt.
fn request(delivery: &Delivery, id: &str, body: Vec<u8>) -> Option<Request<Bytes>> {
    let timestamp = clock::now().timestamp();
    let request = Request::post(&delivery.url)
        .header(header::CONTENT_TYPE, CONTENT_TYPE)
        .header(header::USER_AGENT, concat!("boxroom/", env!("CARGO_PKG_VERSION")))
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", delivery.secret.sign(id, timestamp, &body));
    request.body(body.into()).ok()
}

#[cfg(test)]
mod tests {
    use event_store::MemoryLog;
    use push::{
        outbound::{Protocol, Reach, Settings},
        signature::Secret,
    };
    use sqlx::postgres::PgPoolOptions;

    use super::*;

    fn sender(reach: Reach) -> Sender {
        let client = Client::new(reach, Protocol::Negotiated, &Settings::default()).unwrap();
        let pool = PgPoolOptions::new().connect_lazy("postgres://nobody@127.0.0.1:1/none").unwrap();
        let settings = SenderSettings { max_retry: Duration::from_hours(1), lifetime: Duration::from_hours(72) };
        Sender::new(pool, Arc::new(MemoryLog::default()), client, settings)
    }

    fn delivery(attempt: i32, is_last: bool) -> Delivery {
        let (webhook_id, stream, incarnation) = ("wh-1".to_owned(), "box-0".to_owned(), "a".to_owned());
        Delivery {
            key: EventKey { webhook_id, stream, is_replay: false, incarnation, position: 1, index: 0 },
            box_id: "b1".to_owned(),
            url: "https://shop.example/events".to_owned(),
            secret: Secret::generate(),
            attempt,
            is_last,
        }
    }

    fn response(status: u16, retry_after: Option<&str>) -> Response {
        let mut headers = axum::http::HeaderMap::new();
        headers.extend(retry_after.map(|value| (header::RETRY_AFTER, value.parse().unwrap())));
        Response { status: StatusCode::from_u16(status).unwrap(), headers, body: Bytes::new() }
    }

    #[test]
    fn requests_are_shared_among_webhooks() {
        for (webhooks, each) in [(0, 8), (1, 8), (32, 8), (64, 4), (100, 2), (1_000, 2)] {
            assert_eq!(concurrency(webhooks), each, "{webhooks}");
        }
    }

    #[tokio::test]
    async fn only_a_success_is_done() {
        let sender = sender(Reach::Public);
        let outcome = |attempt, status| sender.outcome(&delivery(attempt, false), &Ok(response(status, None)));
        assert_eq!(outcome(1, 204), (Outcome::Done, Health::Working));
        assert_eq!(outcome(1, 410), (Outcome::Gone("status 410".to_owned()), Health::Working));
        for (attempt, status, longest) in [(1, 302, 1), (3, 404, 4), (9, 500, 256), (13, 503, 3_600), (99, 500, 3_600)]
        {
            let (outcome, health) = outcome(attempt, status);
            let Outcome::Retry(pause, detail) = outcome else { panic!("{status}: {outcome:?}") };
            assert_eq!((detail, health), (format!("status {status}"), Health::Failing));
            assert!((longest / 2..=longest).contains(&pause.as_secs()) || longest == 1, "{attempt}: {pause:?}");
        }
    }

    #[tokio::test]
    async fn a_receiver_may_ask_for_a_pause() {
        let sender = sender(Reach::Public);
        let (outcome, health) = sender.outcome(&delivery(1, false), &Ok(response(429, Some("120"))));
        let pause = Duration::from_mins(2);
        assert_eq!((outcome, health), (Outcome::Retry(pause, "status 429".to_owned()), Health::Pausing(pause)));
    }

    #[tokio::test]
    async fn an_event_is_given_up_when_its_time_is_over() {
        let sender = sender(Reach::Public);
        let failure = Err(RequestError::Broken("the connection was refused"));
        let expected = (Outcome::Dead("the connection was refused".to_owned()), Health::Failing);
        assert_eq!(sender.outcome(&delivery(20, true), &failure), expected);
        assert_eq!(sender.outcome(&delivery(20, true), &Ok(response(200, None))), (Outcome::Done, Health::Working));
    }

    #[tokio::test]
    async fn addresses_are_checked() {
        let public = sender(Reach::Public);
        assert_eq!(public.check("https://shop.example/events?key=1"), Ok(()));
        for wrong in [
            "shop.example",
            "ftp://shop.example",
            "http://shop.example/",
            "https://10.0.0.1/",
            "https://[::1]/",
            "https://user@shop.example/",
            "https://shop.example:22/",
        ] {
            assert!(public.check(wrong).is_err(), "{wrong}");
        }
        assert_eq!(sender(Reach::Any).check("http://127.0.0.1:8080/"), Ok(()));
    }
}
