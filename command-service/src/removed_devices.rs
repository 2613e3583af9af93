//! Requests of the notifiers over NATS to remove devices that their push providers do not know any more. NATS
//! permissions keep all other processes out; one command-service answers each request.

use std::time::Duration;

use async_nats::{Client, Message};
use domain::{DeviceId, UserCommand, UserId, UserRefusal, values::TargetHash};
use event_store::{ActorRole, CommandContext, executor::outcome::CommandError};
use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use service_kit::clock;
use tokio::time::sleep;
use wire::transient::REMOVE_DEVICE;

use crate::{app::App, error::Error, problems::Code};

/// The queue group that all command-services share. It is not stored.
const QUEUE_GROUP: &str = "command-service";

/// The delay before a failed or ended subscription is made again.
const RETRY: Duration = Duration::from_secs(1);

/// Asks to remove a device.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RemoveDevice {
    user_id: UserId,
    device_id: DeviceId,
    /// The push address that the provider does not know any more.
    #[serde(default)]
    target: Option<TargetHash>,
}

/// Answers requests until it is dropped, with `{}` or with a `problem`. Every request may be repeated.
pub(crate) async fn serve(client: Client, app: App) {
    loop {
        match client.queue_subscribe(REMOVE_DEVICE, QUEUE_GROUP.to_owned()).await {
            Ok(mut requests) => {
                while let Some(request) = requests.next().await {
                    tokio::spawn(answer(client.clone(), app.clone(), request));
                }
            }
            Err(error) => tracing::error!(%error, "cannot listen for devices to remove"),
        }
        sleep(RETRY).await;
    }
}

async fn answer(client: Client, app: App, request: Message) {
    let Some(inbox) = request.reply else { return };
    let answer = match remove(&app, &request.payload).await {
        Ok(()) => json!({}),
        Err(error) => json!({ "problem": error.of_request(&clock::new_id().to_string()).into_problem() }),
    };
    if let Err(error) = client.publish(inbox, Value::to_string(&answer).into()).await {
        tracing::warn!(%error, "an answer to a notifier could not be sent");
    }
}

/// Removes a device as the system. One that is removed already, or has another push address by now, is no error.
async fn remove(app: &App, payload: &[u8]) -> Result<(), Error> {
    app.clock.require().await?;
    let RemoveDevice { user_id, device_id, target } =
        serde_json::from_slice(payload).map_err(|error| Error::detailed(Code::MalformedRequest, error.to_string()))?;
    let context = CommandContext {
        request_hash: app.secret.hash(&[b"remove_device", user_id.as_str().as_bytes(), device_id.as_str().as_bytes()]),
        command_id: None,
        actor: UserId::system(),
        role: ActorRole::System,
        at: clock::now(),
        traceparent: None,
        reason: None,
    };
    match app.users.execute(&user_id, UserCommand::RemoveDevice { device_id, target }, context).await {
        Ok(_) | Err(CommandError::Refused(UserRefusal::DeviceNotFound)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
