//! The requests: one type for each `ops.projector.<verb>`, with the type of its answer.

use std::time::Duration;

use domain::BoxId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::report::Report;
use crate::{
    generation::Goal,
    quarantine::{self, ParkedBoxes, Retried, ShownBox},
};

/// Something that an operator asks for, as JSON on `ops.projector.<verb>`.
pub trait Request: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The last part of the subject.
    const VERB: &'static str;
    /// Whether it only asks. Those come many a minute, and are nothing to remember.
    const ONLY_ASKS: bool = false;
    /// How long a projector may take to answer.
    const PATIENCE: Duration = Duration::from_secs(20);
    /// What is told when it was done.
    type Answer: Serialize + DeserializeOwned + Send;
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome<T> {
    /// It was done.
    Done(T),
    /// The state of things does not allow it; nothing was changed.
    Refused(String),
    /// It could not be done now: the database or the log is away.
    Failed(String),
}

/// How it stands with every generation.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct GetStatus {}

impl Request for GetStatus {
    const VERB: &'static str = "status";
    const ONLY_ASKS: bool = true;
    type Answer = Report;
}

/// Build a new generation beside the active one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rebuild {
    /// How far it goes by itself.
    pub to: Goal,
    /// The most events a second over all streams.
    pub max_rate: Option<u32>,
    /// Whether it gives way to the generations that are read.
    pub low_priority: bool,
}

impl Request for Rebuild {
    const VERB: &'static str = "rebuild";
    type Answer = Concerned;
}

/// Serve reads from another generation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Activate {
    /// Which; the newest ready one if not given.
    pub generation: Option<i32>,
    /// Also if it was not verified.
    pub unverified: bool,
}

impl Request for Activate {
    const VERB: &'static str = "activate";
    type Answer = Switched;
}

/// Serve reads from the generation that was active before.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Rollback {
    /// Which one is active, as far as the operator knows: of two who roll back at once, the second must not undo it.
    #[serde(default)]
    pub from: Option<i32>,
}

impl Request for Rollback {
    const VERB: &'static str = "rollback";
    type Answer = Switched;
}

/// Give generations up: their tables are dropped as soon as nobody reads them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Retire {
    /// This one.
    #[serde(rename = "generation")]
    One(i32),
    /// Every one that is kept for a rollback.
    #[serde(rename = "all_standby")]
    AllStandby,
}

impl Request for Retire {
    const VERB: &'static str = "retire";
    type Answer = Retired;
}

/// Stop building a generation for now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pause {
    /// Which; the one that is being built if not given.
    pub generation: Option<i32>,
}

impl Request for Pause {
    const VERB: &'static str = "pause";
    type Answer = Concerned;
}

/// Go on building a generation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resume {
    /// Which; the one that is paused if not given.
    pub generation: Option<i32>,
}

impl Request for Resume {
    const VERB: &'static str = "resume";
    type Answer = Concerned;
}

/// Every parked box.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ListParked {}

impl Request for ListParked {
    const VERB: &'static str = "quarantine_list";
    const ONLY_ASKS: bool = true;
    type Answer = ParkedBoxes;
}

/// A parked box, and the event at which it is parked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShowParked {
    /// The box.
    pub box_id: BoxId,
}

impl Request for ShowParked {
    const VERB: &'static str = "quarantine_show";
    const ONLY_ASKS: bool = true;
    type Answer = Vec<ShownBox>;
}

/// Try again to project what is parked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RetryParked {
    /// Of which box; of every one if not given.
    pub box_id: Option<BoxId>,
}

impl Request for RetryParked {
    const VERB: &'static str = "quarantine_retry";
    /// Longer than the one that answers waits for the others.
    const PATIENCE: Duration = quarantine::PATIENCE.saturating_add(Duration::from_secs(10));
    type Answer = Retried;
}

/// Which generation a request was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concerned {
    /// Its number.
    pub generation: i32,
}

/// Which generation is active now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switched {
    /// Its number.
    pub generation: i32,
    /// Which one was active before, and is kept for a rollback.
    pub former: Option<i32>,
}

/// Which generations were given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// Their numbers.
    pub generations: Vec<i32>,
}
