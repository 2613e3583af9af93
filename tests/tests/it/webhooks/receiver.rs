//! A receiver of webhooks, as a shop would write it with a stock library.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::{net::TcpListener, runtime::Runtime, time::sleep};

/// One request.
#[derive(Debug, Clone)]
struct Request {
    id: String,
    body: String,
    event: Value,
    is_verified: bool,
    status: u16,
}

#[derive(Default)]
struct Shared {
    requests: Vec<Request>,
    accepted: HashSet<String>,
    statuses: BTreeMap<String, u16>,
    delay: Duration,
    library: Option<Webhook>,
    open: BTreeSet<String>,
    has_overlaps: bool,
}

/// A receiver on a port of its own. Ends with this value.
pub(crate) struct Receiver {
    shared: Arc<Mutex<Shared>>,
    address: SocketAddr,
    // A runtime of its own: stopping it closes the connections as well.
    runtime: Option<Runtime>,
}

impl Receiver {
    /// Starts it. It accepts everything.
    pub(crate) async fn start() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut receiver = Self { shared: Arc::default(), address, runtime: None };
        receiver.start_again().await;
        receiver
    }

    /// Starts it at the former address.
    pub(crate) async fn start_again(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (address, shared) = (self.address, self.shared.clone());
        let started = runtime.spawn(async move {
            let listener = TcpListener::bind(address).await.unwrap();
            let address = listener.local_addr().unwrap();
            let router = Router::new().route("/events", post(receive)).with_state(shared);
            tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
            address
        });
        self.address = started.await.unwrap();
        self.runtime = Some(runtime);
    }

    /// Stops it: connections are refused.
    pub(crate) async fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(5))).await.unwrap();
        }
        self.shared().open.clear();
    }

    /// The address of the webhook.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/events", self.address)
    }

    /// Verifies the signatures with this secret.
    pub(crate) fn verify_with(&self, secret: &str) {
        self.shared().library = Some(Webhook::new(secret).unwrap());
    }

    /// Answers the events of a box with this status.
    pub(crate) fn answer(&self, box_id: &str, status: u16) {
        self.shared().statuses.insert(box_id.to_owned(), status);
    }

    /// Works this long on each event.
    pub(crate) fn delay(&self, delay: Duration) {
        self.shared().delay = delay;
    }

    /// The ids of the accepted events, in order, with repetitions.
    pub(crate) fn accepted_in_order(&self) -> Vec<String> {
        let shared = self.shared();
        shared.requests.iter().filter(|request| request.status < 300).map(|request| request.id.clone()).collect()
    }

    /// The number of different events that were accepted.
    pub(crate) fn accepted(&self) -> usize {
        self.shared().accepted.len()
    }

    /// The accepted events without repetitions.
    pub(crate) fn first_accepted(&self) -> Vec<Value> {
        let shared = self.shared();
        let mut seen = HashSet::new();
        let accepted = shared.requests.iter().filter(|request| request.status < 300);
        accepted.filter(|request| seen.insert(request.id.clone())).map(|request| request.event.clone()).collect()
    }

    /// The number of requests whose signature or id is wrong.
    pub(crate) fn unverified(&self) -> usize {
        self.shared().requests.iter().filter(|request| !request.is_verified).count()
    }

    /// Returns true if two requests of a box overlapped.
    pub(crate) fn has_overlaps(&self) -> bool {
        self.shared().has_overlaps
    }

    /// All bodies.
    pub(crate) fn contents(&self) -> String {
        self.shared().requests.iter().map(|request| request.body.as_str()).collect()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// An event that is being worked on. Ends also with its connection.
struct Open(Arc<Mutex<Shared>>, String);

impl Open {
    fn begin(shared: &Arc<Mutex<Shared>>, subject: &str) -> (Self, Duration) {
        let delay = {
            let mut shared = shared.lock().unwrap();
            shared.has_overlaps |= !shared.open.insert(subject.to_owned());
            shared.delay
        };
        (Self(shared.clone(), subject.to_owned()), delay)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.lock().unwrap().open.remove(&self.1);
    }
}

async fn receive(State(shared): State<Arc<Mutex<Shared>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let event: Value = serde_json::from_slice(&body).unwrap_or_default();
    let subject = event["subject"].as_str().unwrap_or_default().to_owned();
    let (_open, delay) = Open::begin(&shared, &subject);
    sleep(delay).await;
    let mut shared = shared.lock().unwrap();
    let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let is_signed = shared.library.as_ref().is_some_and(|library| library.verify(&body, &headers).is_ok());
    let is_typed = headers.get("content-type").is_some_and(|name| name == "application/cloudevents+json");
    let status = shared.statuses.get(&subject).copied().unwrap_or(204);
    let is_verified = is_signed && is_typed && event["id"] == id.as_str();
    let body = String::from_utf8_lossy(&body).into_owned();
    if status < 300 {
        shared.accepted.insert(id.clone());
    }
    shared.requests.push(Request { id, body, event, is_verified, status });
    drop(shared);
    StatusCode::from_u16(status).unwrap()
}
