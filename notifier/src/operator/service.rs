//! Receives requests of operators: one of all notifiers answers each.

use std::sync::Arc;

use async_nats::Client;
use service_kit::nats::{ConnectError, Request, Requests};
use tokio::sync::Semaphore;
use wire::transient;

use super::operations::answer;
use crate::app::App;

/// The name of the queue group: not stored, but equal in all notifiers.
const QUEUE_GROUP: &str = "notifier";

/// The number of requests served concurrently; further ones wait in the connection.
const CONCURRENCY: usize = 4;

/// Requests of operators, over a connection of their own: garbage disturbs no other connection.
pub(crate) fn requests(nats_url: &str, instance: &str) -> Result<Requests, ConnectError> {
    Requests::new(nats_url, instance, transient::ALL_NOTIFIER_OPERATIONS, QUEUE_GROUP)
}

/// Answers requests until it is dropped. The answers leave over `client`.
pub(crate) async fn serve(mut requests: Requests, client: Client, app: App) {
    let permits = Arc::new(Semaphore::new(CONCURRENCY));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let Some(request) = requests.next().await else { return };
        let (client, app) = (client.clone(), app.clone());
        tokio::spawn(async move {
            respond(&client, &app, &request).await;
            drop(permit);
        });
    }
}

async fn respond(client: &Client, app: &App, request: &Request) {
    let Some(inbox) = request.reply().map(str::to_owned) else { return };
    let verb = request.subject().and_then(transient::notifier_operation_verb).unwrap_or_default();
    let answer = answer(app, verb, &request.payload).await;
    if let Err(error) = client.publish(inbox, answer.into()).await {
        tracing::warn!(verb, %error, "an answer to an operator was lost");
    }
}
