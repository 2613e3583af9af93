//! The aggregate of a report: a user reports a message or another user, or a filter holds a message back. A moderator
//! handles it.

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};

pub use self::kinds::{ReportAction, ReportCategory};
use crate::{
    ids::{MessageId, RoomId, UserId},
    named_events::named_events,
    values::ReportNote,
};

mod kinds;
#[cfg(test)]
mod tests;

/// The longest time after which a held message is published, and the longest time in which the publication is repeated.
/// Shorter than the time for which the log usually recognises repeats, so that the message is stored once, whatever its
/// author repeats.
pub const PUBLICATION_WINDOW: TimeDelta = TimeDelta::hours(23);

/// A reported message, as it is when it is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedMessage {
    /// The room.
    pub room_id: RoomId,
    /// The message.
    pub message_id: MessageId,
    /// The last text, also that of a deleted message.
    pub text: String,
}

/// A message that a filter holds back, as its author has sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldMessage {
    /// The room.
    pub room_id: RoomId,
    /// The text, encrypted with the key of the report.
    pub text: String,
    /// The message that it replies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// The id of the command that posts it. That of its author, so that a repeat of the author posts it no second time.
    pub command_id: String,
    /// The hash of the author's request.
    pub request_hash: String,
    /// The time of the author's request.
    pub at: DateTime<Utc>,
}

/// A command to a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportCommand {
    /// Files a report about a user, or about a message of this user.
    FileReport {
        /// The user who reports.
        reporter: UserId,
        /// The reported user.
        user_id: UserId,
        /// The reported message.
        message: Option<ReportedMessage>,
        /// The reason.
        category: ReportCategory,
        /// The words of the reporter.
        note: Option<ReportNote>,
    },
    /// Holds a message back until a moderator has seen it.
    HoldMessage {
        /// The author.
        author: UserId,
        /// The message.
        message: HeldMessage,
    },
    /// Decides that the held message is posted, and closes the report.
    PublishMessage {
        /// The moderator who has claimed it.
        by: UserId,
        /// The time.
        at: DateTime<Utc>,
        /// The time in which it is possible since the message was held, and is repeated.
        window: TimeDelta,
    },
    /// Claims the report for a moderator, so that no other one handles it.
    ClaimReport {
        /// The moderator.
        by: UserId,
    },
    /// Returns the report to the queue.
    ReleaseReport {
        /// The moderator.
        by: UserId,
        /// True if the caller may release the claim of another moderator.
        of_any: bool,
    },
    /// Closes the report.
    ResolveReport {
        /// The moderator who has claimed it.
        by: UserId,
        /// The result.
        action: ReportAction,
        /// The words of the moderator.
        note: Option<ReportNote>,
    },
    /// Removes all texts of the report.
    ForgetReport,
}

named_events! {
    /// An event of a report. The serde names of variants and fields are stored; never rename.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(tag = "type", content = "data", rename_all = "snake_case")]
    ReportEvent {
        /// A user has reported another user, or a message of this user.
        ReportFiled = "report_filed" {
            /// The user who has reported.
            reporter: UserId,
            /// The reported user.
            user_id: UserId,
            /// The room of the reported message.
            room_id: Option<RoomId>,
            /// The reported message.
            message_id: Option<MessageId>,
            /// The text of the message when it was reported, encrypted with the key of the report.
            text: Option<String>,
            /// The reason.
            category: ReportCategory,
            /// The words of the reporter, encrypted with the key of the report.
            note: Option<String>,
        }
        /// A filter has held a message back.
        MessageHeld = "message_held" {
            /// The author.
            user_id: UserId,
            /// The room of the message.
            room_id: RoomId,
            /// The text, encrypted with the key of the report.
            text: String,
            /// The message that it replies to.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            reply_to: Option<MessageId>,
            /// The id of the command that posts the message.
            command_id: String,
            /// The hash of the author's request.
            request_hash: String,
            /// The time of the author's request.
            at: DateTime<Utc>,
        }
        /// A moderator has let the held message be posted, and closed the report.
        HeldMessagePublished = "held_message_published" {
            /// The moderator.
            by: UserId,
            /// The time of the decision.
            at: DateTime<Utc>,
        }
        /// A moderator has claimed the report.
        ReportClaimed = "report_claimed" {
            /// The moderator.
            by: UserId,
        }
        /// The report was returned to the queue.
        ReportReleased = "report_released" {
            /// The moderator who had claimed it.
            by: UserId,
        }
        /// A moderator has closed the report.
        ReportResolved = "report_resolved" {
            /// The moderator.
            by: UserId,
            /// The result.
            action: ReportAction,
            /// The words of the moderator, encrypted with the key of the report.
            note: Option<String>,
        }
        /// The texts of the report were removed: its author or reporter was erased, or it was closed long ago.
        ReportForgotten = "report_forgotten" {}
    }
}

impl DomainEvent for ReportEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

/// A refusal. Its text is safe to show to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportRefusal {
    /// The reporter has an open report about it.
    #[error("your report about it is being handled")]
    AlreadyReported,
    /// No such report.
    #[error("there is no such report")]
    ReportNotFound,
    /// The report is closed.
    #[error("the report is closed")]
    ReportClosed,
    /// Another moderator has claimed it.
    #[error("another moderator has claimed the report")]
    ReportClaimed,
    /// No moderator has claimed it.
    #[error("claim the report first")]
    ReportNotClaimed,
    /// It has no message that could be published.
    #[error("the report holds no message back")]
    ReportHoldsNothing,
    /// The author may have repeated the command of the message since, and the log would not notice it.
    #[error("the message was held back too long ago")]
    HeldTooLong,
}

/// The state of a report: only what the decisions need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Report {
    reporter: Option<UserId>,
    user_id: Option<UserId>,
    claimed_by: Option<UserId>,
    closed: bool,
    forgotten: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<HeldMessage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    published_at: Option<DateTime<Utc>>,
}

impl Report {
    /// True if the report was filed.
    pub fn is_filed(&self) -> bool {
        self.user_id.is_some()
    }

    /// Returns the author and the message that a filter has held back. None if its text was removed.
    pub fn held(&self) -> Option<(&UserId, &HeldMessage)> {
        self.user_id.as_ref().zip(self.held.as_ref())
    }

    /// True if the report is closed.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The users whose erasure removes the texts of the report: the reporter and the reported user.
    pub fn people(&self) -> impl Iterator<Item = &UserId> {
        self.reporter.iter().chain(&self.user_id)
    }

    /// Decides which events a command causes. Returns none if the requested state already holds.
    pub fn decide(&self, command: ReportCommand) -> Result<Vec<ReportEvent>, ReportRefusal> {
        if let ReportCommand::FileReport { reporter, user_id, message, category, note } = command {
            if self.is_filed() {
                return Err(ReportRefusal::AlreadyReported);
            }
            let (room_id, message_id, text) = match message {
                Some(ReportedMessage { room_id, message_id, text }) => (Some(room_id), Some(message_id), Some(text)),
                None => (None, None, None),
            };
            let note = note.map(String::from);
            return Ok(vec![ReportEvent::ReportFiled { reporter, user_id, room_id, message_id, text, category, note }]);
        }
        if let ReportCommand::HoldMessage { author, message } = command {
            if self.is_filed() {
                return Ok(vec![]);
            }
            let HeldMessage { room_id, text, reply_to, command_id, request_hash, at } = message;
            let user_id = author;
            let held = ReportEvent::MessageHeld { user_id, room_id, text, reply_to, command_id, request_hash, at };
            return Ok(vec![held]);
        }
        if !self.is_filed() {
            return Err(ReportRefusal::ReportNotFound);
        }
        match command {
            ReportCommand::FileReport { .. } | ReportCommand::HoldMessage { .. } => Ok(vec![]),
            ReportCommand::ForgetReport if self.forgotten => Ok(vec![]),
            ReportCommand::ForgetReport => Ok(vec![ReportEvent::ReportForgotten {}]),
            ReportCommand::PublishMessage { at, window, .. }
                if self.published_at.is_some_and(|published| at - published < window) =>
            {
                Ok(vec![])
            }
            ReportCommand::ClaimReport { .. }
            | ReportCommand::ReleaseReport { .. }
            | ReportCommand::PublishMessage { .. }
            | ReportCommand::ResolveReport { .. }
                if self.closed =>
            {
                Err(ReportRefusal::ReportClosed)
            }
            ReportCommand::ClaimReport { by } => match &self.claimed_by {
                Some(claimant) if *claimant == by => Ok(vec![]),
                Some(_) => Err(ReportRefusal::ReportClaimed),
                None => Ok(vec![ReportEvent::ReportClaimed { by }]),
            },
            ReportCommand::ReleaseReport { by, of_any } => match &self.claimed_by {
                Some(claimant) if *claimant == by || of_any => {
                    Ok(vec![ReportEvent::ReportReleased { by: claimant.clone() }])
                }
                Some(_) => Err(ReportRefusal::ReportClaimed),
                None => Ok(vec![]),
            },
            ReportCommand::ResolveReport { by, action, note } => {
                self.require_claimed_by(&by)?;
                // Its key may be destroyed, so it takes no text any more.
                let note = note.filter(|_| !self.forgotten).map(String::from);
                Ok(vec![ReportEvent::ReportResolved { by, action, note }])
            }
            ReportCommand::PublishMessage { by, at, window } => {
                let held = self.held.as_ref().ok_or(ReportRefusal::ReportHoldsNothing)?;
                if at - held.at >= window {
                    return Err(ReportRefusal::HeldTooLong);
                }
                self.require_claimed_by(&by)?;
                Ok(vec![ReportEvent::HeldMessagePublished { by, at }])
            }
        }
    }

    fn require_claimed_by(&self, moderator: &UserId) -> Result<(), ReportRefusal> {
        match &self.claimed_by {
            Some(claimant) if claimant == moderator => Ok(()),
            Some(_) => Err(ReportRefusal::ReportClaimed),
            None => Err(ReportRefusal::ReportNotClaimed),
        }
    }
}

impl Aggregate for Report {
    const TYPE: &'static str = "report";
    type Command = ReportCommand;
    type Event = ReportEvent;
    type Error = ReportRefusal;
    type Services = ();

    async fn handle(&mut self, command: ReportCommand, (): &(), sink: &EventSink<Self>) -> Result<(), ReportRefusal> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: ReportEvent) {
        match event {
            ReportEvent::ReportFiled { reporter, user_id, .. } => {
                self.reporter = Some(reporter);
                self.user_id = Some(user_id);
            }
            ReportEvent::MessageHeld { user_id, room_id, text, reply_to, command_id, request_hash, at } => {
                self.user_id = Some(user_id);
                self.held = Some(HeldMessage { room_id, text, reply_to, command_id, request_hash, at });
            }
            ReportEvent::HeldMessagePublished { at, .. } => (self.closed, self.published_at) = (true, Some(at)),
            ReportEvent::ReportClaimed { by } => self.claimed_by = Some(by),
            ReportEvent::ReportReleased { .. } => self.claimed_by = None,
            ReportEvent::ReportResolved { .. } => self.closed = true,
            ReportEvent::ReportForgotten {} => (self.forgotten, self.held) = (true, None),
        }
    }
}
