//! The state of a sink, and the course of every call.

use std::{
    collections::BTreeMap,
    future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use futures::FutureExt;
use serde_json::Value;
use tokio::{sync::Notify, time::sleep};

use crate::{
    behaviour::{Behaviour, Behaviours, RetryAfter},
    credentials::Credentials,
    records::{Received, Records, Service},
    subscriptions::Subscriptions,
    token::Issued,
};

/// The maximum size of a message of any service.
pub(crate) const MAX_BYTES: usize = 4096;

/// Receives every request once its result is known.
pub(crate) type Observer = Box<dyn Fn(&Received) + Send + Sync>;

/// The state that all connections share.
pub(crate) struct State {
    /// The address of the sink, without a slash at its end.
    pub(crate) address: String,
    pub(crate) credentials: Credentials,
    pub(crate) token_lifetime: Duration,
    pub(crate) issued: Issued,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) behaviours: Behaviours,
    pub(crate) records: Records,
    pub(crate) connections: AtomicU64,
    pub(crate) observer: Option<Observer>,
}

/// The connection of a request.
#[derive(Clone, Default)]
pub(crate) struct Connection(Arc<Notify>);

impl Connection {
    /// Closes the connection with all its requests.
    fn reset(&self) {
        self.0.notify_one();
    }

    /// Waits until the connection is to be closed.
    pub(crate) async fn closed(&self) {
        self.0.notified().await;
    }
}

/// A request to a service.
pub(crate) struct Call<'a> {
    pub(crate) service: Service,
    pub(crate) target: String,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Value,
}

/// The reason why a request is not accepted.
#[derive(Debug, Clone)]
pub(crate) struct Rejection {
    pub(crate) status: u16,
    pub(crate) reason: String,
}

impl Rejection {
    pub(crate) fn new(status: u16, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }
}

/// The answer to a request.
pub(crate) struct Outcome {
    /// The number of the request.
    pub(crate) sequence: u64,
    pub(crate) result: Result<(), Rejection>,
    retry_after: Option<RetryAfter>,
    body_hang: Option<Duration>,
    timestamp: Option<u64>,
}

impl Outcome {
    /// The time from which on the target does not exist, in milliseconds since 1970.
    pub(crate) fn timestamp(&self) -> u64 {
        self.timestamp.unwrap_or_else(milliseconds_since_1970)
    }

    /// Adds the header `retry-after` to the response of a service, and the pause before its body.
    pub(crate) fn finish(&self, mut response: Response) -> Response {
        let pause = self.retry_after.as_ref().and_then(|pause| HeaderValue::try_from(pause.to_header()).ok());
        if let Some(pause) = pause {
            response.headers_mut().insert(header::RETRY_AFTER, pause);
        }
        let Some(body_hang) = self.body_hang else { return response };
        response.map(|body| {
            let late = async move {
                sleep(body_hang).await;
                body.into_data_stream()
            };
            Body::from_stream(late.flatten_stream())
        })
    }
}

impl State {
    /// Returns the address that issues access tokens.
    pub(crate) fn token_uri(&self) -> String {
        format!("{}/token", self.address)
    }

    /// Records a request with the result of its check, or with the one that a behaviour sets.
    /// Returns after the pause of the behaviour, or never if the connection is to be closed.
    pub(crate) async fn decide(
        &self,
        connection: &Connection,
        call: Call<'_>,
        checked: Result<(), Rejection>,
        usual_reason: fn(u16) -> &'static str,
    ) -> Outcome {
        let Behaviour { status, reason, hang_ms, body_hang_ms, reset, retry_after, timestamp, .. } =
            self.behaviours.take(call.service);
        let result = match status {
            Some(200..300) => Ok(()),
            Some(status) => Err(Rejection::new(status, reason.unwrap_or_else(|| usual_reason(status).to_owned()))),
            None => checked,
        };
        let sequence = self.record(call, &result, reset);
        sleep(Duration::from_millis(hang_ms.unwrap_or(0))).await;
        if reset {
            connection.reset();
            future::pending::<()>().await;
        }
        Outcome { sequence, result, retry_after, body_hang: body_hang_ms.map(Duration::from_millis), timestamp }
    }

    fn record(&self, call: Call<'_>, result: &Result<(), Rejection>, reset: bool) -> u64 {
        let headers = call.headers.iter().filter(|(name, _)| *name != header::AUTHORIZATION);
        let headers = headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()));
        let status = match result {
            Ok(()) if call.service == Service::WebPush => 201,
            Ok(()) => 200,
            Err(rejection) => rejection.status,
        };
        let received = self.records.add(Received {
            sequence: 0,
            at_ms: milliseconds_since_1970(),
            service: call.service,
            target: call.target,
            status: (!reset).then_some(status),
            reason: result.as_ref().err().map(|rejection| rejection.reason.clone()),
            headers: headers.collect::<BTreeMap<_, _>>(),
            body: call.body,
        });
        if let Some(observer) = &self.observer {
            observer(&received);
        }
        received.sequence
    }

    pub(crate) fn count_connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }
}

fn milliseconds_since_1970() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
