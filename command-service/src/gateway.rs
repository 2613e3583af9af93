//! The commands as NATS requests, for boxes and other processes: each becomes a request to the very same router.

mod message;
mod operations;

pub(crate) use operations::names;

use std::{sync::Arc, time::Duration};

use async_nats::{Client, HeaderMap, Message, Subscriber};
use axum::{Router, response::IntoResponse};
use domain::notice;
use futures::StreamExt;
use service_kit::{clock, problem::REQUEST_ID};
use tokio::{
    sync::{Semaphore, oneshot},
    time::{sleep, timeout},
};
use utoipa::openapi::OpenApi;

use message::Reply;
use operations::Operations;

/// Each request is answered by one of all command-services. Stored nowhere, but the same in all of them.
const QUEUE_GROUP: &str = "command-service";

/// How many requests are worked on at a time; further ones wait in the connection.
const CONCURRENCY: usize = 256;

/// How long requests that are being worked on may go on after the process was asked to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// Serves requests until told to stop.
pub(crate) struct Gateway {
    client: Client,
    router: Router,
    operations: Operations,
    turns: Arc<Semaphore>,
}

impl Gateway {
    /// Serves whatever the description says that the router has.
    pub(crate) fn new(client: Client, router: Router, api: &OpenApi) -> Arc<Self> {
        let turns = Arc::new(Semaphore::new(CONCURRENCY));
        Arc::new(Self { client, router, operations: Operations::of(api), turns })
    }

    /// Answers requests until `stop`, then finishes what it has begun.
    pub(crate) async fn run(self: Arc<Self>, mut stop: oneshot::Receiver<()>) {
        let mut requests = self.subscribe().await;
        loop {
            let Ok(turn) = Arc::clone(&self.turns).acquire_owned().await else { return };
            let request = tokio::select! {
                request = requests.next() => request,
                _ = &mut stop => break,
            };
            match request {
                Some(request) => {
                    let gateway = Arc::clone(&self);
                    tokio::spawn(async move {
                        gateway.serve(request).await;
                        drop(turn);
                    });
                }
                None => requests = self.subscribe().await,
            }
        }
        let _ = requests.unsubscribe().await;
        let all = u32::try_from(CONCURRENCY).unwrap_or(u32::MAX);
        let _ = timeout(DRAIN_TIMEOUT, self.turns.acquire_many(all)).await;
        let _ = timeout(DRAIN_TIMEOUT, self.client.flush()).await;
    }

    async fn subscribe(&self) -> Subscriber {
        loop {
            match self.client.queue_subscribe(notice::ALL_COMMANDS, QUEUE_GROUP.to_owned()).await {
                Ok(requests) => return requests,
                Err(error) => tracing::error!(%error, "cannot listen for commands"),
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    async fn serve(&self, request: Message) {
        let reply = self.answer(&request).await;
        let Some(inbox) = request.reply else { return };
        let mut headers = HeaderMap::new();
        if let Some(id) = &reply.request_id {
            headers.insert(REQUEST_ID.as_str(), id.as_str());
        }
        if let Err(error) = self.client.publish_with_headers(inbox, headers, reply.body.into()).await {
            tracing::warn!(%error, "an answer was lost");
        }
    }

    async fn answer(&self, request: &Message) -> Reply {
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
