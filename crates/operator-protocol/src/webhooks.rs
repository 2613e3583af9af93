//! Webhooks: addresses that get the events of boxes as HTTP requests.

use chrono::{DateTime, Utc};
use domain::BoxId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::requests::{Request, Service};

/// A webhook, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    /// Its id.
    pub webhook_id: String,
    /// The address.
    pub url: String,
    /// The types of its events; `*` stands for all.
    pub types: Vec<String>,
    /// The only box; all boxes if absent.
    pub box_id: Option<String>,
    /// The time of its registration.
    pub created_at: DateTime<Utc>,
    /// The time since which nothing is sent.
    pub paused_at: Option<DateTime<Utc>>,
    /// The cause of the pause: `operator`, or `receiver` (the status 410).
    pub paused_by: Option<String>,
    /// The last failure.
    pub last_failure: Option<WebhookFailure>,
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookFailure {
    /// The time.
    pub at: DateTime<Utc>,
    /// The id of the event.
    pub event_id: String,
    /// The reason.
    pub reason: String,
}

/// The number of a webhook's events by state. Events that were done or dead 30 days ago are not counted any more, and
/// of the others at most 100,000.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookCounts {
    /// Waiting for an attempt, or for an earlier event of their box.
    pub waiting: u64,
    /// In an attempt.
    pub sending: u64,
    /// Accepted by the receiver.
    pub done: u64,
    /// Given up.
    pub dead: u64,
}

/// The progress of a webhook, or of its replay, in a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookProgress {
    /// The stream.
    pub stream: String,
    /// The position up to which matching events are planned.
    pub position: String,
    /// The last sequence of a replay; absent for the webhook itself.
    pub replay_until: Option<u64>,
    /// Why planning does not go on.
    #[serde(default)]
    pub problem: Option<String>,
}

/// A webhook and the states of its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShownWebhook {
    /// The webhook.
    pub webhook: Webhook,
    /// Its events.
    pub live: WebhookCounts,
    /// The events of its replays.
    pub replayed: WebhookCounts,
    /// The time of the next attempt, if events wait.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// The progress in each stream.
    pub progress: Vec<WebhookProgress>,
}

/// Requests a new webhook. It gets the events from now on.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AddWebhook {
    /// The address.
    pub url: String,
    /// The types of its events; `*` stands for all.
    pub types: Vec<String>,
    /// The only box; all boxes if absent.
    #[schema(value_type = Option<String>)]
    pub box_id: Option<BoxId>,
}

impl Request for AddWebhook {
    const SERVICE: Service = Service::Notifier;
    const VERB: &'static str = "webhook_add";
    type Answer = AddedWebhook;
}

/// A new webhook with its secret, which is not shown again.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AddedWebhook {
    /// The webhook.
    pub webhook: Webhook,
    /// The secret of its signatures: `whsec_…`.
    pub secret: String,
}

/// Requests the next webhooks, in the order of their registration. None are left after an empty answer.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ListWebhooks {
    /// The last webhook of the former answer.
    #[serde(default)]
    pub after: Option<String>,
}

impl Request for ListWebhooks {
    const SERVICE: Service = Service::Notifier;
    const VERB: &'static str = "webhook_list";
    const READ_ONLY: bool = true;
    type Answer = Vec<Webhook>;
}

/// Requests a webhook and the states of its events.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ShowWebhook {
    /// The webhook.
    pub webhook_id: String,
}

impl Request for ShowWebhook {
    const SERVICE: Service = Service::Notifier;
    const VERB: &'static str = "webhook_show";
    const READ_ONLY: bool = true;
    type Answer = ShownWebhook;
}

/// Requests that nothing is sent to a webhook until it is resumed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PauseWebhook {
    /// The webhook.
    pub webhook_id: String,
}

impl Request for PauseWebhook {
    const SERVICE: Service = Service::Notifier;
    const VERB: &'static str = "webhook_pause";
    type Answer = Webhook;
}

/// Requests that a paused webhook continues, with the events since the pause.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ResumeWebhook {
    /// The webhook.
    pub webhook_id: String,
}

impl Request for ResumeWebhook {
    const SERVICE: Service = Service::Notifier;
    const VERB: &'static str = "webhook_resume";
    type Answer = Webhook;
}

/// Requests the removal of a webhook with its events.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RemoveWebhook {
    /// The webhook.
    pub webhook_id: String,
}

impl Request for RemoveWebhook {
    const SERVICE: Service = Service::Notifier;
    const VERB: &'static str = "webhook_remove";
    type Answer = RemovedWebhook;
}

/// The webhook that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemovedWebhook {
    /// Its id.
    pub webhook_id: String,
}

/// Requests that the events of one stream are sent again, from a position to the present.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReplayWebhook {
    /// The webhook.
    pub webhook_id: String,
    /// The position of the first event, as `Event-Position` and the ids of events have it.
    pub from: String,
}

impl Request for ReplayWebhook {
    const SERVICE: Service = Service::Notifier;
    const VERB: &'static str = "webhook_replay";
    type Answer = WebhookProgress;
}
