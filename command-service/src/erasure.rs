//! What the projectors' eraser asks over NATS, and nobody else may: each request is answered by one of all
//! command-services.

use std::time::Duration;

use async_nats::{Client, Message, Subscriber};
use domain::{BoxCommand, BoxId, UserId, notice};
use event_store::{ActorRole, CommandContext};
use futures::StreamExt;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use service_kit::clock;
use tokio::time::sleep;

use crate::{app::App, error::Error, problems::Code, users::erase};

/// Stored nowhere, but the same in all of them.
const QUEUE_GROUP: &str = "command-service";

/// What a user wrote on a box is to be taken away, and they out of its open room.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EraseAuthor {
    user_id: UserId,
    box_id: BoxId,
    /// Repeats with the same one are carried out once.
    key: String,
}

/// The key of a user who was erased is to be destroyed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DestroyKey {
    user_id: UserId,
}

/// Answers requests until it is dropped: with `{}`, or with a `problem`. All of them may be repeated.
pub(crate) async fn serve(client: Client, app: App) {
    let mut requests = subscribe(&client).await;
    loop {
        match requests.next().await {
            Some(request) => drop(tokio::spawn(answer(client.clone(), app.clone(), request))),
            None => requests = subscribe(&client).await,
        }
    }
}

async fn subscribe(client: &Client) -> Subscriber {
    loop {
        match client.queue_subscribe(notice::ALL_ERASURES, QUEUE_GROUP.to_owned()).await {
            Ok(requests) => return requests,
            Err(error) => tracing::error!(%error, "cannot listen for erasures"),
        }
        sleep(Duration::from_secs(1)).await;
    }
}

async fn answer(client: Client, app: App, request: Message) {
    let Some(inbox) = request.reply else { return };
    let verb = notice::erasure_verb(&request.subject).unwrap_or_default();
    let done = match verb {
        "erase_author" => erase_author(&app, &request.payload).await,
        "destroy_key" => destroy_key(&app, &request.payload).await,
        _ => Err(Code::UnknownCommand.into()),
    };
    let answer = match done {
        Ok(answer) => answer,
        Err(error) => json!({ "problem": error.of_request(&clock::new_id().to_string()).into_problem() }),
    };
    if let Err(error) = client.publish(inbox, answer.to_string().into()).await {
        tracing::warn!(verb, %error, "an answer to the eraser was lost");
    }
}

fn parsed<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(payload).map_err(|error| Error::detailed(Code::MalformedRequest, error.to_string()))
}

/// The system acts: of a user who is erased nothing is taken any more.
async fn erase_author(app: &App, payload: &[u8]) -> Result<Value, Error> {
    app.clock.require().await?;
    let EraseAuthor { user_id, box_id, key } = parsed(payload)?;
    let (user, _) = app.users.load_latest(&user_id).await?;
    if !user.is_erased() {
        return Err(Error::detailed(Code::Forbidden, "the user was not erased"));
    }
    let context = CommandContext {
        request_hash: app.secret.hash(&[b"erase_author", user_id.as_str().as_bytes(), box_id.as_str().as_bytes()]),
        command_id: Some(key),
        actor: UserId::system(),
        role: ActorRole::System,
        at: clock::now(),
        traceparent: None,
    };
    let command = BoxCommand::EraseAuthor { user_id, at: context.at };
    app.boxes.execute(&box_id, command, context).await?;
    Ok(json!({}))
}

/// Only of a user whom the log knows as erased: nothing that is asked by mistake can be taken back.
async fn destroy_key(app: &App, payload: &[u8]) -> Result<Value, Error> {
    let DestroyKey { user_id } = parsed(payload)?;
    let (user, _) = app.users.load_latest(&user_id).await?;
    if !user.is_erased() {
        return Err(Error::detailed(Code::Forbidden, "the user was not erased"));
    }
    // Perhaps the command-service that erased the user crashed before.
    erase::forget(app, &user_id).await?;
    app.keys.destroy(&user_id).await?;
    tracing::info!(user.id = %user_id, "the key of an erased user is destroyed");
    Ok(json!({}))
}
