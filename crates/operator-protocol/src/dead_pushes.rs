//! Push messages that were given up. Their texts and the tokens of devices are not sent to operators.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::requests::{Request, Service};

/// A push message that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadPush {
    /// Its id, also at the provider.
    pub push_id: String,
    /// The user.
    pub user_id: String,
    /// The user's device.
    pub device_id: String,
    /// The provider.
    pub provider: String,
    /// The room of its alarms.
    pub room_id: String,
    /// The kind of the last alarm.
    pub kind: String,
    /// The number of alarms that it tells.
    pub alarms: i32,
    /// The number of attempts.
    pub attempts: i32,
    /// The time at which it was planned.
    pub created_at: DateTime<Utc>,
    /// The time at which it was given up.
    pub dead_since: DateTime<Utc>,
    /// The reason.
    pub reason: String,
}

/// Dead push messages, limited to the size of one answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadPushes {
    /// The newest.
    pub pushes: Vec<DeadPush>,
    /// The number of those left out.
    pub more: u64,
}

/// Requests the list of dead push messages.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ListDeadPushes {}

impl Request for ListDeadPushes {
    const SERVICE: Service = Service::Notifier;
    const VERB: &'static str = "dead_push_list";
    const READ_ONLY: bool = true;
    type Answer = DeadPushes;
}

/// Requests a dead push message.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ShowDeadPush {
    /// Its id.
    pub push_id: String,
}

impl Request for ShowDeadPush {
    const SERVICE: Service = Service::Notifier;
    const VERB: &'static str = "dead_push_show";
    const READ_ONLY: bool = true;
    type Answer = DeadPush;
}

/// Requests another attempt to send a dead push message.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RetryDeadPush {
    /// Its id.
    pub push_id: String,
}

impl Request for RetryDeadPush {
    const SERVICE: Service = Service::Notifier;
    const VERB: &'static str = "dead_push_retry";
    type Answer = DeadPush;
}

/// Requests the removal of a dead push message.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DropDeadPush {
    /// Its id.
    pub push_id: String,
}

impl Request for DropDeadPush {
    const SERVICE: Service = Service::Notifier;
    const VERB: &'static str = "dead_push_drop";
    type Answer = Dropped;
}

/// The push message that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Dropped {
    /// Its id.
    pub push_id: String,
}
