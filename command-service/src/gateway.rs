//! Commands as NATS requests, for boxes and other processes: each becomes a request to the same router.

mod message;
mod operations;

pub(crate) use operations::names;

use std::{sync::Arc, time::Duration};

use async_nats::{Client, HeaderMap};
use axum::{Router, response::IntoResponse};
use service_kit::{
    clock,
    nats::{ConnectError, Request, Requests},
    problem::REQUEST_ID,
};
use tokio::{sync::Semaphore, time::timeout};
use utoipa::openapi::OpenApi;
use wire::transient;

use message::Reply;
use operations::Operations;

/// The queue group of all command-services: one of them answers each request. It is not stored.
const QUEUE_GROUP: &str = "command-service";

/// The number of requests served concurrently; further ones wait in the connection.
const CONCURRENCY: u32 = 256;

/// The time that requests in progress get after the shutdown signal.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// Subscribes to commands over a separate connection, so that garbage in it disturbs no other connection.
pub(crate) fn requests(nats_url: &str) -> Result<Requests, ConnectError> {
    Requests::new(nats_url, "command-service", transient::ALL_COMMANDS, QUEUE_GROUP)
}

/// The server of the NATS requests.
pub(crate) struct Gateway {
    client: Client,
    router: Router,
    operations: Operations,
    permits: Arc<Semaphore>,
}

impl Gateway {
    /// Creates a gateway that serves every command in the description. The answers leave over `client`.
    pub(crate) fn new(client: Client, router: Router, api: &OpenApi) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(CONCURRENCY as usize));
        Arc::new(Self { client, router, operations: Operations::of(api), permits })
    }

    /// Answers requests until `stop`, then those that the server has already sent.
    pub(crate) async fn run(self: Arc<Self>, mut requests: Requests, stop: impl Future<Output = ()>) {
        tokio::select! {
            () = self.serve_all(&mut requests) => return,
            () = stop => requests.finish(),
        }
        let drained = timeout(DRAIN_TIMEOUT, async {
            self.serve_all(&mut requests).await;
            let _ = self.permits.acquire_many(CONCURRENCY).await;
            let _ = self.client.flush().await;
        });
        if drained.await.is_err() {
            tracing::warn!("some commands over NATS were not answered in time");
        }
    }

    async fn serve_all(self: &Arc<Self>, requests: &mut Requests) {
        loop {
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { return };
            let Some(request) = requests.next().await else { return };
            let gateway = Arc::clone(self);
            tokio::spawn(async move {
                gateway.serve(request).await;
                drop(permit);
            });
        }
    }

    async fn serve(&self, request: Request) {
        let reply = self.answer(&request).await;
        let Some(inbox) = request.reply().map(str::to_owned) else { return };
        let mut headers = HeaderMap::new();
        if let Some(id) = &reply.request_id {
            headers.insert(REQUEST_ID.as_str(), id.as_str());
        }
        if let Err(error) = self.client.publish_with_headers(inbox, headers, reply.body.into()).await {
            tracing::warn!(%error, "an answer could not be sent");
        }
    }

    async fn answer(&self, request: &Request) -> Reply {
        match message::into_http(request, &self.operations) {
            Ok(request) => match tower::ServiceExt::oneshot(self.router.clone(), request).await {
                Ok(response) => Reply::of(response).await,
                Err(never) => match never {},
            },
            Err(error) => {
                let id = message::request_id(request).unwrap_or_else(|| clock::new_id().to_string());
                let reply = Reply::of(error.of_request(&id).into_response()).await;
                Reply { request_id: Some(id), ..reply }
            }
        }
    }
}
