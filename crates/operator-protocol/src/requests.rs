//! The requests: one type per `ops.projector.<verb>` or `ops.notifier.<verb>`, with the type of its answer.

use std::time::Duration;

use domain::BoxId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::ToSchema;
use wire::transient;

use crate::{
    generation::Goal,
    quarantine::{QuarantinedBoxes, Retried, ShownBox},
    report::Report,
};

/// The processes that answer a request: any one of them does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The projectors.
    Projector,
    /// The notifiers.
    Notifier,
}

impl Service {
    /// Returns the name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Projector => "projector",
            Self::Notifier => "notifier",
        }
    }

    /// Returns the subject of a request.
    pub(crate) fn subject(self, verb: &str) -> String {
        match self {
            Self::Projector => transient::operation(verb),
            Self::Notifier => transient::notifier_operation(verb),
        }
    }
}

/// An operator's request, sent as JSON on `ops.<service>.<verb>`.
pub trait Request: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The processes that answer it.
    const SERVICE: Service = Service::Projector;
    /// The last part of the subject.
    const VERB: &'static str;
    /// True for read-only requests. They are frequent, and logged at debug level only.
    const READ_ONLY: bool = false;
    /// Timeout of the answer.
    const TIMEOUT: Duration = Duration::from_secs(20);
    /// The answer to a request that was carried out.
    type Answer: Serialize + DeserializeOwned + Send;
}

/// The outcome of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome<T> {
    /// It was carried out.
    Done(T),
    /// The current state does not allow it; nothing was changed.
    Refused(String),
    /// It failed: the database or the log is unavailable.
    Failed(String),
}

/// Requests the status of every generation.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct GetStatus {}

impl Request for GetStatus {
    const VERB: &'static str = "status";
    const READ_ONLY: bool = true;
    type Answer = Report;
}

/// Requests a new generation beside the active one.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Rebuild {
    /// The state up to which the driver takes it.
    pub to: Goal,
    /// The maximum rate over all streams, in events per second.
    pub max_rate: Option<u32>,
    /// True if building leaves most of the time to the generations that serve reads.
    pub low_priority: bool,
}

impl Request for Rebuild {
    const VERB: &'static str = "rebuild";
    type Answer = ChangedGeneration;
}

/// Requests the activation of another generation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Activate {
    /// The generation; the newest ready one if absent.
    pub generation: Option<i32>,
    /// True to skip the check that it was compared with the active one.
    pub unverified: bool,
}

impl Request for Activate {
    const VERB: &'static str = "activate";
    type Answer = Switched;
}

/// Requests the activation of the previously active generation.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Rollback {
    /// The active generation as known to the operator: of two concurrent rollbacks, the second must not undo the first.
    #[serde(default)]
    pub from: Option<i32>,
}

impl Request for Rollback {
    const VERB: &'static str = "rollback";
    type Answer = Switched;
}

/// Requests the retirement of generations: their tables are dropped when no reader is left.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub enum Retire {
    /// A single generation.
    #[serde(rename = "generation")]
    One(i32),
    /// Every standby generation.
    #[serde(rename = "all_standby")]
    AllStandby,
}

impl Request for Retire {
    const VERB: &'static str = "retire";
    type Answer = Retired;
}

/// Requests a pause in building a generation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Pause {
    /// The generation; the one that is being built if absent.
    pub generation: Option<i32>,
}

impl Request for Pause {
    const VERB: &'static str = "pause";
    type Answer = ChangedGeneration;
}

/// Requests that building a generation continues.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Resume {
    /// The generation; the one that is being built if absent.
    pub generation: Option<i32>,
}

impl Request for Resume {
    const VERB: &'static str = "resume";
    type Answer = ChangedGeneration;
}

/// Requests the list of quarantined boxes.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ListQuarantined {}

impl Request for ListQuarantined {
    const VERB: &'static str = "quarantine_list";
    const READ_ONLY: bool = true;
    type Answer = QuarantinedBoxes;
}

/// Requests a quarantined box and the event that failed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ShowQuarantined {
    /// The box.
    #[schema(value_type = String)]
    pub box_id: BoxId,
}

impl Request for ShowQuarantined {
    const VERB: &'static str = "quarantine_show";
    const READ_ONLY: bool = true;
    type Answer = Vec<ShownBox>;
}

/// Requests another attempt to project quarantined boxes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RetryQuarantined {
    /// The box; all quarantined boxes if absent.
    #[schema(value_type = Option<String>)]
    pub box_id: Option<BoxId>,
}

impl RetryQuarantined {
    /// The time that the projectors have for a retry.
    pub const LIMIT: Duration = Duration::from_secs(30);
}

impl Request for RetryQuarantined {
    const VERB: &'static str = "quarantine_retry";
    /// Longer than the answering projector waits for the others.
    const TIMEOUT: Duration = Self::LIMIT.saturating_add(Duration::from_secs(10));
    type Answer = Retried;
}

/// The generation that a request has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangedGeneration {
    /// Its number.
    pub generation: i32,
}

/// The result of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Switched {
    /// The number of the generation that is now active.
    pub generation: i32,
    /// The previously active generation, kept for a rollback.
    pub former: Option<i32>,
}

/// The retired generations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Retired {
    /// Their numbers.
    pub generations: Vec<i32>,
}
