//! The service for operators' requests: one of all projectors answers each.

use std::sync::Arc;

use async_nats::Client;
use service_kit::nats::{ConnectError, Request, Requests};
use tokio::sync::Semaphore;
use wire::transient;

use super::operations::Operations;

/// The name of the queue group: not stored, but equal in all projectors.
const QUEUE_GROUP: &str = "projector";

/// The number of requests served concurrently; further ones wait in the connection. Each opens a connection to the
/// database, which takes too long if many do it at once.
const CONCURRENCY: usize = 16;

/// Requests of operators, over a connection of their own: garbage disturbs no other connection.
pub(crate) fn requests(nats_url: &str, instance: &str) -> Result<Requests, ConnectError> {
    Requests::new(nats_url, instance, transient::ALL_OPERATIONS, QUEUE_GROUP)
}

/// Answers requests until it is dropped. The answers leave over `client`.
pub(crate) async fn serve(mut requests: Requests, client: Client, operations: Operations) {
    let permits = Arc::new(Semaphore::new(CONCURRENCY));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let Some(request) = requests.next().await else { return };
        let (client, operations) = (client.clone(), operations.clone());
        tokio::spawn(async move {
            answer(&client, &operations, &request).await;
            drop(permit);
        });
    }
}

async fn answer(client: &Client, operations: &Operations, request: &Request) {
    let Some(inbox) = request.reply().map(str::to_owned) else { return };
    let verb = request.subject().and_then(transient::operation_verb).unwrap_or_default();
    let answer = operations.answer(verb, &request.payload).await;
    if let Err(error) = client.publish(inbox, answer.into()).await {
        tracing::warn!(verb, %error, "an answer to an operator was lost");
    }
}
