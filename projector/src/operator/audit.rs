//! The commands of the log: who gave them, when, and about whom. Shows nothing of what was said.

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

/// The most entries of a page: the answer is one message.
const PAGE: usize = 500;

/// How long one page is looked for. What was found until then is told, and where to go on.
const PATIENCE: Duration = Duration::from_secs(2);

/// How much is read from the log at a time.
const MESSAGES: usize = 1_000;
const BYTES: usize = 2 * 1024 * 1024;

/// A page of what was done, stream by stream, each in its order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Audit {
    /// Who did it: a user, an operator or a box. Everybody if not given.
    pub actor: Option<UserId>,
    /// In which box. Everywhere if not given, users and stores included.
    pub box_id: Option<BoxId>,
    /// Since when.
    pub since: Option<DateTime<Utc>>,
    /// Until when.
    pub until: Option<DateTime<Utc>>,
    /// Where the page before this one has ended.
    pub after: Option<Place>,
}

/// How far the log was looked through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// In this stream, and in all before it.
    pub stream: String,
    /// Up to this sequence.
    pub sequence: u64,
}

/// A page of what was done.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Audited {
    /// What was done; perhaps nothing although there is more.
    pub entries: Vec<Entry>,
    /// Where the next page begins; absent after the last one.
    pub next: Option<Place>,
}

/// One command that was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When the command was received.
    pub at: Option<DateTime<Utc>>,
    /// Who gave it.
    pub actor: String,
    /// What it was about, like `box box-1`, `user ana` or `store noodles`.
    pub subject: String,
    /// What happened.
    pub events: Vec<String>,
    /// The user, message or device that each of these was about; none of one without, and fewer where this projector
    /// cannot decode them.
    #[serde(default)]
    pub targets: Vec<Option<String>>,
    /// The client's name for it, if it gave one.
    pub command_id: Option<String>,
    /// The stream in which it stands.
    pub stream: String,
    /// Its sequence there.
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
            return Err(ChangeError::Refused("the page before was not of this query".to_owned()));
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
    /// Where something can stand that is asked for.
    fn streams(&self, partitions: u16) -> Vec<StreamName> {
        match &self.box_id {
            Some(box_id) => vec![StreamName::Box(partition_of(box_id, partitions)), StreamName::Mark],
            None => streams(partitions),
        }
    }

    /// Reads one stream; where to go on if it is not read to its end.
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

    /// What a message says, if it is asked for.
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
            // Goes with the user's own event.
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
