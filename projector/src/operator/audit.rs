//! An audit trail of commands: who gave them, when, and about whom. Texts of users are not shown.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{BoxId, RoomId, UserId};
use event_store::{
    Log, LogError, Source, StreamName,
    envelope::header,
    log::{Range, Recorded},
    partition_of, streams,
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    operations::{Operation, Operations},
    requests::Request,
    targets::targets,
};
use crate::generation::ChangeError;

/// Limit of a page, in entries: the answer is one message.
const PAGE: usize = 500;

/// Time limit of a page. The entries found until then are returned with the place to continue.
const PATIENCE: Duration = Duration::from_secs(2);

/// Limits of one read from the log, in messages and bytes.
const MESSAGES: usize = 1_000;
const BYTES: usize = 2 * 1024 * 1024;

/// Requests a page of executed commands, stream by stream, each in its order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Audit {
    /// The actor: a user, an operator or a box; all if absent.
    pub actor: Option<UserId>,
    /// The box; everything if absent, users and stores included.
    pub box_id: Option<BoxId>,
    /// The start time.
    pub since: Option<DateTime<Utc>>,
    /// The end time.
    pub until: Option<DateTime<Utc>>,
    /// The end of the previous page.
    pub after: Option<Place>,
}

/// The point up to which the log was searched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The stream; those before it are complete.
    pub stream: String,
    /// The sequence up to which it was searched.
    pub sequence: u64,
}

/// A page of executed commands.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Audited {
    /// The entries; may be empty although more follow.
    pub entries: Vec<Entry>,
    /// The place after which the next page begins; absent on the last page.
    pub next: Option<Place>,
}

/// One executed command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The time at which the command was received.
    pub at: Option<DateTime<Utc>>,
    /// The acting user, operator or box.
    pub actor: String,
    /// The subject, like `box box-1`, `user ana` or `store noodles`.
    pub subject: String,
    /// The types of its events.
    pub events: Vec<String>,
    /// The user, message or device that each of these was about; none of one without, and fewer where this projector
    /// cannot decode them.
    #[serde(default)]
    pub targets: Vec<Option<String>>,
    /// The client's `Idempotency-Key`, if it sent one.
    pub command_id: Option<String>,
    /// The stream that holds it.
    pub stream: String,
    /// Its sequence in that stream.
    pub sequence: u64,
}

impl Request for Audit {
    const VERB: &'static str = "audit";
    type Answer = Audited;
}

impl Operation for Audit {
    async fn perform(self, within: &Operations) -> Result<Audited, ChangeError> {
        let deadline = Instant::now() + PATIENCE;
        let mut page = Audited::default();
        let all = self.streams(within.partitions);
        let reached =
            self.after.as_ref().and_then(|after| all.iter().position(|stream| stream.label() == after.stream));
        if self.after.is_some() && reached.is_none() {
            return Err(ChangeError::Refused("the previous page belongs to another query".to_owned()));
        }
        for stream in all.into_iter().skip(reached.unwrap_or_default()) {
            let after = self.after.as_ref().filter(|after| after.stream == stream.label());
            let from = match (after, self.since) {
                (Some(after), _) => after.sequence + 1,
                (None, Some(since)) => within.log.first_since(stream, since).await?,
                (None, None) => 1,
            };
            page.next = self.read(within.log.as_ref(), stream, from, deadline, &mut page.entries).await?;
            if page.next.is_some() {
                break;
            }
        }
        Ok(page)
    }
}

impl Audit {
    /// Returns the streams that can hold matching entries.
    fn streams(&self, partitions: u16) -> Vec<StreamName> {
        match &self.box_id {
            Some(box_id) => vec![StreamName::Box(partition_of(box_id, partitions)), StreamName::Mark],
            None => streams(partitions),
        }
    }

    /// Reads one stream. Returns the place to continue if its end was not reached.
    async fn read(
        &self,
        log: &dyn Log,
        stream: StreamName,
        mut from: u64,
        deadline: Instant,
        entries: &mut Vec<Entry>,
    ) -> Result<Option<Place>, LogError> {
        loop {
            let range = Range { stream, from, subject: None, max_messages: MESSAGES, max_bytes: BYTES };
            let read = log.read(range).await?;
            if read.is_empty() {
                return Ok(None);
            }
            for recorded in read {
                if self.until.is_some_and(|until| recorded.stored_at > until) {
                    return Ok(None);
                }
                from = recorded.sequence + 1;
                entries.extend(self.entry(&recorded));
                if entries.len() == PAGE {
                    return Ok(Some(Place { stream: stream.label(), sequence: recorded.sequence }));
                }
            }
            if Instant::now() >= deadline {
                return Ok(Some(Place { stream: stream.label(), sequence: from - 1 }));
            }
        }
    }

    /// Converts a message to an entry if it matches the filters.
    fn entry(&self, recorded: &Recorded) -> Option<Entry> {
        let actor = recorded.header(header::ACTOR).unwrap_or_default();
        if self.actor.as_ref().is_some_and(|wanted| wanted.as_str() != actor) {
            return None;
        }
        let (box_id, subject) = match Source::parse(&recorded.subject)? {
            Source::Room { box_id } | Source::Talk { box_id } => {
                let subject = format!("box {box_id}");
                (Some(box_id), subject)
            }
            Source::Mark { room_id, .. } => (Some(RoomId::box_id(&room_id).clone()), format!("room {room_id}")),
            Source::User { user_id } => (None, format!("user {user_id}")),
            Source::Store { store_id } => (None, format!("store {store_id}")),
            // A claim accompanies the user's own event.
            Source::Claim => return None,
        };
        if self.box_id.is_some() && self.box_id != box_id {
            return None;
        }
        let text = |name| recorded.header(name).map(str::to_owned);
        let at = recorded.header(header::OCCURRED_AT).and_then(|at| DateTime::parse_from_rfc3339(at).ok());
        Some(Entry {
            at: at.map(|at| at.to_utc()),
            actor: actor.to_owned(),
            subject,
            events: recorded.header(header::EVENT_TYPES)?.split(',').map(str::to_owned).collect(),
            targets: targets(recorded),
            command_id: text(header::COMMAND_ID),
            stream: recorded.stream.label(),
            sequence: recorded.sequence,
        })
    }
}
