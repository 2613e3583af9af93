//! A decoded commit of the log: the input of the projection.

use chrono::{DateTime, Utc};
use domain::{
    BoxEvent, BoxId, FilterEvent, MessageId, ReportEvent, ReportId, RoomId, StoreEvent, StoreId, UserEvent, UserId,
};
use event_store::{ActorRole, DecodeError, Decoded, RecordedCommit};
use wire::Source;

/// The events of one command, at one sequence of one stream.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The sequence in its stream, from 1.
    pub sequence: u64,
    /// The commit's id. Kept with the checkpoint to recognize the log.
    pub commit_id: String,
    /// The `Idempotency-Key` of the command, if its client sent one.
    pub command_id: Option<String>,
    /// The acting user.
    pub actor: UserId,
    /// The role of the actor; `None` if an earlier release stored the commit.
    pub role: Option<ActorRole>,
    /// The time at which the command was received.
    pub at: DateTime<Utc>,
    /// The trace of the command, if it is traced.
    pub traceparent: Option<String>,
    /// The reason for the command, if it has one.
    pub reason: Option<String>,
    /// The content.
    pub content: Content,
}

/// The decoded content of a commit and the aggregate that it belongs to.
#[derive(Debug, Clone)]
pub enum Content {
    /// Events of a box.
    Box {
        /// The box.
        box_id: BoxId,
        /// At least one.
        events: Vec<BoxEvent>,
    },
    /// Events of a user.
    User {
        /// The user.
        user_id: UserId,
        /// At least one.
        events: Vec<UserEvent>,
    },
    /// A nickname was claimed or released. The projection ignores it.
    Claim,
    /// Events of a store.
    Store {
        /// The store.
        store_id: StoreId,
        /// At least one.
        events: Vec<StoreEvent>,
    },
    /// Events of the filters.
    Filters {
        /// At least one.
        events: Vec<FilterEvent>,
    },
    /// Events of a report.
    Report {
        /// The report.
        report_id: ReportId,
        /// At least one.
        events: Vec<ReportEvent>,
    },
    /// A user's read position in a room.
    Mark {
        /// The room.
        room_id: RoomId,
        /// The reader.
        user_id: UserId,
        /// The last message read.
        message_id: MessageId,
    },
    /// Content that this build cannot decode.
    Unreadable {
        /// The box, if the commit is on a box's subject.
        box_id: Option<BoxId>,
        /// The reason.
        reason: String,
    },
}

impl From<RecordedCommit> for Commit {
    fn from(recorded: RecordedCommit) -> Self {
        Self {
            content: Content::of(recorded.decode(), recorded.source),
            sequence: recorded.sequence,
            commit_id: recorded.commit_id,
            command_id: recorded.command_id,
            actor: recorded.actor,
            role: recorded.role,
            at: recorded.at,
            traceparent: recorded.traceparent,
            reason: recorded.reason,
        }
    }
}

impl Content {
    /// Decodes a commit of the log into the current shape.
    fn of(decoded: Result<Decoded, DecodeError>, source: Source) -> Self {
        match (decoded, source) {
            (Ok(Decoded::Box(events)), Source::Room { box_id } | Source::Talk { box_id }) => {
                Self::Box { box_id, events }
            }
            (Ok(Decoded::User(events)), Source::User { user_id }) => Self::User { user_id, events },
            (Ok(Decoded::Claim), _) => Self::Claim,
            (Ok(Decoded::Store(events)), Source::Store { store_id }) => Self::Store { store_id, events },
            (Ok(Decoded::Filters(events)), Source::Filters) => Self::Filters { events },
            (Ok(Decoded::Report(events)), Source::Report { report_id }) => Self::Report { report_id, events },
            (Ok(Decoded::Mark { message_id }), Source::Mark { room_id, user_id }) => {
                Self::Mark { room_id, user_id, message_id }
            }
            (decoded, Source::Room { box_id } | Source::Talk { box_id }) => {
                Self::Unreadable { box_id: Some(box_id), reason: failure_reason(decoded) }
            }
            (
                decoded,
                Source::User { .. }
                | Source::Claim
                | Source::Store { .. }
                | Source::Filters
                | Source::Report { .. }
                | Source::Mark { .. },
            ) => Self::Unreadable { box_id: None, reason: failure_reason(decoded) },
        }
    }

    /// Returns the box that orders this commit; `None` outside the box streams.
    pub(crate) fn box_id(&self) -> Option<&BoxId> {
        match self {
            Self::Box { box_id, .. } => Some(box_id),
            Self::Unreadable { box_id, .. } => box_id.as_ref(),
            Self::User { .. }
            | Self::Claim
            | Self::Store { .. }
            | Self::Filters { .. }
            | Self::Report { .. }
            | Self::Mark { .. } => None,
        }
    }
}

fn failure_reason(decoded: Result<Decoded, DecodeError>) -> String {
    match decoded {
        Ok(_) => "its events do not belong on its subject".to_owned(),
        Err(error) => error.to_string(),
    }
}
