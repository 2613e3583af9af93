//! An audit trail of commands: their actors, times and targets. Texts of users are not shown.

use std::time::Duration;

use chrono::DateTime;
use domain::RoomId;
use event_store::{
    ActorRole, Log, LogError,
    codec::envelope::header,
    log::{Range, Recorded},
};
use operator_protocol::{Audit, AuditCursor, AuditPage, Entry};
use tokio::time::Instant;
use wire::{Source, StreamName, partition_of, streams};

use super::{
    operations::{Operation, Operations},
    targets::targets,
};
use crate::generation::ChangeError;

/// Limit of a page, in entries: the answer is one message.
const PAGE: usize = 500;

/// Time limit of a page. The entries found until then are returned with a cursor.
const PAGE_TIME_LIMIT: Duration = Duration::from_secs(2);

/// Limits of one read from the log, in messages and bytes.
const MESSAGES: usize = 1_000;
const BYTES: usize = 2 * 1024 * 1024;

impl Operation for Audit {
    async fn perform(self, operations: &Operations) -> Result<AuditPage, ChangeError> {
        let deadline = Instant::now() + PAGE_TIME_LIMIT;
        let mut page = AuditPage::default();
        let all = streams_of(&self, operations.partitions);
        let reached =
            self.after.as_ref().and_then(|after| all.iter().position(|stream| stream.label() == after.stream));
        if self.after.is_some() && reached.is_none() {
            return Err(ChangeError::Refused("the previous page belongs to another query".to_owned()));
        }
        for stream in all.into_iter().skip(reached.unwrap_or_default()) {
            let after = self.after.as_ref().filter(|after| after.stream == stream.label());
            let from = match (after, self.since) {
                (Some(after), _) => after.sequence + 1,
                (None, Some(since)) => operations.log.first_since(stream, since).await?,
                (None, None) => 1,
            };
            page.next = read(&self, operations.log.as_ref(), stream, from, deadline, &mut page.entries).await?;
            if page.next.is_some() {
                break;
            }
        }
        Ok(page)
    }
}

/// Returns the streams that can hold matching entries.
fn streams_of(audit: &Audit, partitions: u16) -> Vec<StreamName> {
    match &audit.box_id {
        Some(box_id) => vec![StreamName::Box(partition_of(box_id, partitions)), StreamName::Mark],
        None => streams(partitions),
    }
}

/// Reads one stream. Returns a cursor if its end was not reached.
async fn read(
    audit: &Audit,
    log: &dyn Log,
    stream: StreamName,
    mut from: u64,
    deadline: Instant,
    entries: &mut Vec<Entry>,
) -> Result<Option<AuditCursor>, LogError> {
    loop {
        let range = Range { stream, from, subject: None, max_messages: MESSAGES, max_bytes: BYTES };
        let read = log.read(range).await?;
        if read.is_empty() {
            return Ok(None);
        }
        for recorded in read {
            if audit.until.is_some_and(|until| recorded.stored_at > until) {
                return Ok(None);
            }
            from = recorded.sequence + 1;
            entries.extend(entry(audit, &recorded));
            if entries.len() == PAGE {
                return Ok(Some(AuditCursor { stream: stream.label(), sequence: recorded.sequence }));
            }
        }
        if Instant::now() >= deadline {
            return Ok(Some(AuditCursor { stream: stream.label(), sequence: from - 1 }));
        }
    }
}

/// Returns whether the filters match this actor. Commits of earlier releases have no role and match every one.
fn matches_actor(audit: &Audit, actor: &str, role: Option<ActorRole>) -> bool {
    let in_role = role.is_none_or(|role| match audit.role {
        Some(wanted) => role == wanted,
        None => audit.actor.is_none() || !matches!(role, ActorRole::Device | ActorRole::System),
    });
    in_role && audit.actor.as_ref().is_none_or(|wanted| wanted.as_str() == actor)
}

/// Converts a message to an entry if it matches the filters.
fn entry(audit: &Audit, recorded: &Recorded) -> Option<Entry> {
    let actor = recorded.header(header::ACTOR).unwrap_or_default();
    let role = recorded.header(header::ACTOR_ROLE).and_then(ActorRole::parse);
    if !matches_actor(audit, actor, role) {
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
        Source::Filters => (None, "filters".to_owned()),
        Source::Report { report_id } => (None, format!("report {report_id}")),
        // A claim accompanies an event of the user, or the opening of a room.
        Source::Claim => return None,
    };
    if audit.box_id.is_some() && audit.box_id != box_id {
        return None;
    }
    let text = |name| recorded.header(name).map(str::to_owned);
    let at = recorded.header(header::OCCURRED_AT).and_then(|at| DateTime::parse_from_rfc3339(at).ok());
    Some(Entry {
        at: at.map(|at| at.to_utc()),
        actor: actor.to_owned(),
        role,
        subject,
        events: recorded.header(header::EVENT_TYPES)?.split(',').map(str::to_owned).collect(),
        targets: targets(recorded),
        reason: text(header::REASON),
        command_id: text(header::COMMAND_ID),
        stream: recorded.stream.label(),
        sequence: recorded.sequence,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_matches_only_people_by_default() {
        let audit = |actor: Option<&str>, role| Audit {
            actor: actor.map(|actor| actor.parse().unwrap()),
            role,
            ..Audit::default()
        };
        let of_people = audit(Some("locker-7"), None);
        let found = |audit: &Audit, role| matches_actor(audit, "locker-7", role);
        assert!(found(&of_people, Some(ActorRole::User)) && found(&of_people, Some(ActorRole::Operator)));
        assert!(found(&of_people, Some(ActorRole::Moderator)));
        assert!(found(&of_people, None), "as earlier releases stored it");
        assert!(!found(&of_people, Some(ActorRole::Device)));
        assert!(!matches_actor(&of_people, "locker-8", Some(ActorRole::User)));
        let of_box = audit(Some("locker-7"), Some(ActorRole::Device));
        assert!(found(&of_box, Some(ActorRole::Device)) && !found(&of_box, Some(ActorRole::User)));
        assert!(found(&audit(None, None), Some(ActorRole::Device)));
        assert!(!found(&audit(None, Some(ActorRole::Operator)), Some(ActorRole::System)));
    }
}
