//! Requests of the projectors' eraser over NATS, about erased and suspended users. NATS permissions keep all other
//! processes out; one command-service answers each request.

use std::time::Duration;

use async_nats::{Client, Message, Subscriber};
use domain::{BoxCommand, BoxId, OwnCommand, ReportCommand, ReportId, UserId};
use event_store::{ActorRole, CommandContext};
use futures::StreamExt;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use service_kit::clock;
use tokio::time::sleep;
use wire::transient;

use crate::{app::App, error::Error, moderation::suspension, problems::Code, users::erase};

/// The queue group that all command-services share. It is not stored.
const QUEUE_GROUP: &str = "command-service";

/// Asks to erase a user's texts on a box, and to remove the user from its open room.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EraseAuthor {
    user_id: UserId,
    box_id: BoxId,
    /// Repeats with the same key are carried out once.
    key: String,
}

/// Asks to destroy the key of an erased user.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DestroyKey {
    user_id: UserId,
}

/// Asks to remove a suspended user from the open room of a box.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RemoveSuspended {
    user_id: UserId,
    box_id: BoxId,
}

/// Asks to end the sessions of a suspended user.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndSessions {
    user_id: UserId,
}

/// Asks to remove the texts of a report that is closed, or that concerns an erased user.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForgetReport {
    report_id: ReportId,
}

/// Answers requests until it is dropped, with `{}` or with a `problem`. Every request may be repeated.
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
        match client.queue_subscribe(transient::ALL_ERASURES, QUEUE_GROUP.to_owned()).await {
            Ok(requests) => return requests,
            Err(error) => tracing::error!(%error, "cannot listen for erasures"),
        }
        sleep(Duration::from_secs(1)).await;
    }
}

async fn answer(client: Client, app: App, request: Message) {
    let Some(inbox) = request.reply else { return };
    let verb = transient::erasure_verb(&request.subject).unwrap_or_default();
    let done = match verb {
        "erase_author" => erase_author(&app, &request.payload).await,
        "forget_report" => forget_report(&app, &request.payload).await,
        "destroy_key" => destroy_key(&app, &request.payload).await,
        "remove_suspended" => remove_suspended(&app, &request.payload).await,
        "end_sessions" => end_sessions(&app, &request.payload).await,
        _ => Err(Code::UnknownCommand.into()),
    };
    let answer = match done {
        Ok(answer) => answer,
        Err(error) => json!({ "problem": error.of_request(&clock::new_id().to_string()).into_problem() }),
    };
    if let Err(error) = client.publish(inbox, answer.to_string().into()).await {
        tracing::warn!(verb, %error, "an answer to the eraser could not be sent");
    }
}

fn parse<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(payload).map_err(|error| Error::detailed(Code::MalformedRequest, error.to_string()))
}

/// Erases a user's texts on a box, as the system: commands of erased users are rejected.
async fn erase_author(app: &App, payload: &[u8]) -> Result<Value, Error> {
    app.clock.require().await?;
    let EraseAuthor { user_id, box_id, key } = parse(payload)?;
    let (user, _) = app.users.load_latest(&user_id).await?;
    if !user.is_erased() {
        return Err(Error::detailed(Code::Forbidden, "the user is not erased"));
    }
    let context = context(app, "erase_author", &user_id, &box_id, Some(key));
    let command = BoxCommand::Box(OwnCommand::EraseAuthor { user_id, at: context.at });
    app.boxes.execute(&box_id, command, context).await?;
    Ok(json!({}))
}

/// Returns the context of a command of the system on a box, because of this user.
fn context(app: &App, verb: &str, user_id: &UserId, box_id: &BoxId, key: Option<String>) -> CommandContext {
    let parts = [verb.as_bytes(), user_id.as_str().as_bytes(), box_id.as_str().as_bytes()];
    CommandContext {
        request_hash: app.secret.hash(&parts),
        command_id: key,
        actor: UserId::system(),
        role: ActorRole::System,
        at: clock::now(),
        traceparent: None,
        reason: None,
    }
}

/// Removes a suspended user from the open room of a box, as the system. Has no effect on a user who was reinstated.
async fn remove_suspended(app: &App, payload: &[u8]) -> Result<Value, Error> {
    app.clock.require().await?;
    let RemoveSuspended { user_id, box_id } = parse(payload)?;
    let context = context(app, "remove_suspended", &user_id, &box_id, None);
    let (user, _) = app.users.load_latest(&user_id).await?;
    if user.is_suspended(context.at) {
        let command = BoxCommand::Box(OwnCommand::RemoveSuspended { user_id, at: context.at });
        app.boxes.execute(&box_id, command, context).await?;
    }
    Ok(json!({}))
}

/// Ends the sessions of a suspended user: the command-service that suspended the user may have crashed before.
async fn end_sessions(app: &App, payload: &[u8]) -> Result<Value, Error> {
    let EndSessions { user_id } = parse(payload)?;
    let (user, _) = app.users.load_latest(&user_id).await?;
    if user.is_suspended(clock::now()) {
        suspension::end_sessions(app, &user_id).await?;
    }
    Ok(json!({}))
}

/// Destroys the key of a report, then removes its texts: an interrupted removal is repeated until it is in the log.
async fn forget_report(app: &App, payload: &[u8]) -> Result<Value, Error> {
    app.clock.require().await?;
    let ForgetReport { report_id } = parse(payload)?;
    let (report, _) = app.reports.load_latest(&report_id).await?;
    let mut is_due = report.is_closed();
    for user_id in report.people() {
        is_due = is_due || app.users.load_latest(user_id).await?.0.is_erased();
    }
    if !is_due {
        return Err(Error::detailed(Code::Forbidden, "the report is open, and its users are not erased"));
    }
    app.keys.destroy(&report_id.key_owner()).await?;
    let context = CommandContext {
        request_hash: app.secret.hash(&[b"forget_report", report_id.as_str().as_bytes()]),
        command_id: None,
        actor: UserId::system(),
        role: ActorRole::System,
        at: clock::now(),
        traceparent: None,
        reason: None,
    };
    app.reports.execute(&report_id, ReportCommand::ForgetReport, context).await?;
    Ok(json!({}))
}

/// Destroys the key of a user. Rejects a user who is not erased in the log, because this cannot be undone.
async fn destroy_key(app: &App, payload: &[u8]) -> Result<Value, Error> {
    let DestroyKey { user_id } = parse(payload)?;
    let (user, _) = app.users.load_latest(&user_id).await?;
    if !user.is_erased() {
        return Err(Error::detailed(Code::Forbidden, "the user is not erased"));
    }
    // The command-service that erased the user may have crashed before.
    erase::delete_data(app, &user_id).await?;
    app.keys.destroy(&user_id).await?;
    tracing::info!(user.id = %user_id, "the key of an erased user is destroyed");
    Ok(json!({}))
}
