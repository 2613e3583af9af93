//! Asks the command-services to remove devices that their providers do not know any more.

use std::time::Duration;

use async_nats::{Client, Request};
use domain::values::TargetHash;
use serde_json::{Value, json};
use wire::transient::REMOVE_DEVICE;

/// Timeout of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends the requests.
#[derive(Debug, Clone)]
pub(crate) struct RemovedDevices(Client);

impl RemovedDevices {
    pub(crate) fn new(client: Client) -> Self {
        Self(client)
    }

    /// Removes a device of a user, unless it was registered with another push address since. If that fails, the next
    /// message to the device leads here again.
    pub(crate) async fn remove(&self, user_id: &str, device_id: &str, target: &TargetHash) {
        let payload = json!({ "user_id": user_id, "device_id": device_id, "target": target }).to_string();
        let request = Request::new().payload(payload.into()).timeout(Some(REQUEST_TIMEOUT));
        let failure = match self.0.send_request(REMOVE_DEVICE, request).await {
            Err(error) => error.to_string(),
            Ok(answer) => match serde_json::from_slice::<Value>(&answer.payload) {
                Ok(answer) if answer == json!({}) => return,
                Ok(answer) => answer["problem"].to_string(),
                Err(error) => error.to_string(),
            },
        };
        tracing::warn!(user.id = user_id, failure, "a device that is gone was not removed");
    }
}
