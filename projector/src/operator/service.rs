//! The service for operators' requests: one of all projectors answers each.

use std::{convert::Infallible, time::Duration};

use async_nats::{Client, Message, Subscriber};
use domain::notice;
use futures::StreamExt;
use tokio::time::sleep;

use super::operations::Operations;

/// The name of the queue group: not stored, but equal in all projectors.
const QUEUE_GROUP: &str = "projector";

/// Answers requests until dropped.
pub(crate) async fn serve(client: Client, operations: Operations) -> Infallible {
    let mut requests = subscribe(&client).await;
    loop {
        match requests.next().await {
            Some(request) => drop(tokio::spawn(answer(client.clone(), operations.clone(), request))),
            None => requests = subscribe(&client).await,
        }
    }
}

async fn subscribe(client: &Client) -> Subscriber {
    loop {
        match client.queue_subscribe(notice::ALL_OPERATIONS, QUEUE_GROUP.to_owned()).await {
            Ok(requests) => return requests,
            Err(error) => tracing::error!(%error, "cannot subscribe to operator requests"),
        }
        sleep(Duration::from_secs(1)).await;
    }
}

async fn answer(client: Client, operations: Operations, request: Message) {
    let Some(inbox) = request.reply else { return };
    let verb = notice::operation_verb(&request.subject).unwrap_or_default();
    let answer = operations.answer(verb, &request.payload).await;
    if let Err(error) = client.publish(inbox, answer.into()).await {
        tracing::warn!(verb, %error, "an answer to an operator was lost");
    }
}
