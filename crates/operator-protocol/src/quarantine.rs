//! Quarantined boxes, as sent to operators.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A box that is quarantined at an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuarantinedBox {
    /// The box.
    pub box_id: String,
    /// The stream of its events.
    pub stream: String,
    /// The sequence of the event that cannot be projected.
    pub sequence: u64,
    /// The reason for the failure.
    pub reason: String,
    /// The time of the event.
    pub since: DateTime<Utc>,
    /// The number of waiting events, the failed one included.
    pub waiting: u64,
    /// The generations in which the box is quarantined at this event.
    pub generations: Vec<i32>,
}

/// Quarantined boxes, limited to the size of one answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuarantinedBoxes {
    /// The first boxes.
    pub boxes: Vec<QuarantinedBox>,
    /// The number of boxes left out.
    pub more: usize,
}

/// A quarantined box and the event that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShownBox {
    /// The box.
    #[serde(rename = "parked")]
    pub quarantined: QuarantinedBox,
    /// The event; `None` if the log does not hold it.
    pub event: Option<FailedEvent>,
}

/// Metadata of an event that cannot be projected, without its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailedEvent {
    /// Its sequence.
    pub sequence: u64,
    /// The event types named by its message.
    pub types: Vec<String>,
    /// The versions of the event shapes, where readable.
    pub versions: Vec<u64>,
    /// The time at which it was stored.
    pub stored_at: DateTime<Utc>,
    /// The size of its payload, in bytes.
    pub bytes: usize,
}

/// The result of a retry.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Retried {
    /// The boxes that were released.
    pub released: Vec<String>,
    /// The boxes that are still quarantined, some perhaps at a later event.
    #[serde(rename = "parked")]
    pub quarantined: Vec<QuarantinedBox>,
}
