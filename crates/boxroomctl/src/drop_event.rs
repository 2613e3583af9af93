//! Dropping an event, by a command over NATS.

use std::time::Duration;

use async_nats::{Request, RequestErrorKind};
use domain::{BoxId, EventSequence};
use serde_json::{Value, json};
use service_kit::nats::{self, ConnectError};
use tokio::time::timeout;
use wire::transient;

/// Timeout of the command.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// The reason why an event was not dropped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DropEventError {
    /// NATS cannot be reached.
    #[error(transparent)]
    Connection(#[from] ConnectError),
    /// No command-service answered.
    #[error("no command-service answers")]
    NoAnswer,
    /// The command was refused.
    #[error("{0}")]
    Refused(String),
    /// The command failed.
    #[error("{0}")]
    Failed(String),
}

/// Drops an event of a box. Returns the id of the `EventDropped` event. A repeat has no further effect.
pub(crate) async fn send_drop_event(
    url: &str,
    token: &str,
    box_id: &BoxId,
    sequence: EventSequence,
    reason: &str,
) -> Result<String, DropEventError> {
    let failed = |error: &dyn std::fmt::Display| DropEventError::Failed(error.to_string());
    let client = nats::connect_now(url, "boxroomctl").await?;
    let command = json!({
        "token": token,
        "idempotency_key": format!("drop-event-{sequence}"),
        "path": { "box": box_id },
        "body": { "sequence": sequence, "reason": reason },
    });
    let request = Request::new().payload(command.to_string().into()).timeout(Some(ANSWER_TIMEOUT));
    let answer = timeout(ANSWER_TIMEOUT, client.send_request(transient::command("drop_event"), request)).await;
    let answer = answer.map_err(|_| DropEventError::NoAnswer)?.map_err(|error| match error.kind() {
        RequestErrorKind::NoResponders | RequestErrorKind::TimedOut => DropEventError::NoAnswer,
        _ => failed(&error),
    })?;
    let answer: Value = serde_json::from_slice(&answer.payload).map_err(|error| failed(&error))?;
    let problem = || {
        let text = |member: &str| answer["problem"][member].as_str().unwrap_or_default().to_owned();
        format!("{} ({})", text("detail"), text("code"))
    };
    match (answer["status"].as_u64(), answer["id"].as_str()) {
        (Some(200..300), Some(id)) => Ok(id.to_owned()),
        (Some(400..500), _) => Err(DropEventError::Refused(problem())),
        _ => Err(DropEventError::Failed(problem())),
    }
}
