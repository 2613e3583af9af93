//! The request for executed commands: their actors, times and targets.

use chrono::{DateTime, Utc};
use domain::{BoxId, UserId};
use event_store::ActorRole;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::requests::Request;

/// Requests a page of executed commands, stream by stream, each in its order.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Audit {
    /// The actor: a user, an operator or a box; all if absent.
    #[schema(value_type = Option<String>)]
    pub actor: Option<UserId>,
    /// The role of the actor. If absent, all roles match, but with an actor only those of users and operators.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub role: Option<ActorRole>,
    /// The box; everything if absent, users and stores included.
    #[schema(value_type = Option<String>)]
    pub box_id: Option<BoxId>,
    /// The start time.
    pub since: Option<DateTime<Utc>>,
    /// The end time.
    pub until: Option<DateTime<Utc>>,
    /// The end of the previous page.
    pub after: Option<AuditCursor>,
}

/// The point up to which the log was searched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditCursor {
    /// The stream; those before it are complete.
    pub stream: String,
    /// The sequence up to which it was searched.
    pub sequence: u64,
}

/// A page of executed commands.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    /// The entries; may be empty although more follow.
    pub entries: Vec<Entry>,
    /// The place after which the next page begins; absent on the last page.
    pub next: Option<AuditCursor>,
}

/// One executed command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// The time at which the command was received.
    pub at: Option<DateTime<Utc>>,
    /// The acting user, operator or box.
    pub actor: String,
    /// The role of the actor; `None` if an earlier release stored the command.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub role: Option<ActorRole>,
    /// The subject, like `box box-1`, `user ana` or `store noodles`.
    pub subject: String,
    /// The types of its events.
    pub events: Vec<String>,
    /// The target of each event: a user, message or device. `None` for an event without one; empty if this projector
    /// cannot decode the events.
    #[serde(default)]
    pub targets: Vec<Option<String>>,
    /// The reason that an operator or a moderator gave for the command.
    #[serde(default)]
    pub reason: Option<String>,
    /// The client's `Idempotency-Key`, if it sent one.
    pub command_id: Option<String>,
    /// The stream that holds it.
    pub stream: String,
    /// Its sequence in that stream.
    pub sequence: u64,
}

impl Request for Audit {
    const VERB: &'static str = "audit";
    type Answer = AuditPage;
}
