//! Unique names: claimed and released by messages beside the events that need them.

use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};
use wire::StreamName;

use crate::{
    codec::{
        envelope::{CommandContext, RecordedCommit, encode},
        upcast::{StoredEvent, Upcast},
    },
    executor::{aggregate::StoredAggregate, error::EventStoreError},
    log::{Freshness, Guard, Log, NewMessage, Recorded},
};

/// A change of a name's holder. The serde names are stored; never rename.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub(crate) enum ClaimEvent {
    /// A user claimed the nickname of the subject. No other user can have it.
    NicknameClaimed {
        /// The user.
        user_id: String,
    },
    /// A user released the nickname of the subject. It is free.
    NicknameReleased {
        /// The former holder.
        user_id: String,
    },
}

impl DomainEvent for ClaimEvent {
    fn event_type(&self) -> String {
        match self {
            Self::NicknameClaimed { .. } => "nickname_claimed".to_owned(),
            Self::NicknameReleased { .. } => "nickname_released".to_owned(),
        }
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl StoredEvent for ClaimEvent {
    const TYPES: &'static [&'static str] = &["nickname_claimed", "nickname_released"];
    const UPCASTS: &'static [Upcast] = &[];
}

/// The outcome of claiming the names that a decision needs.
pub(crate) enum Claims {
    /// Append these together with the decision.
    Free(Vec<NewMessage>),
    /// Another aggregate has the name.
    Taken,
    /// The state that was decided on is out of date.
    Outdated,
}

/// Claims and releases names for an aggregate that goes from one state to another.
pub(crate) async fn claims<A: StoredAggregate>(
    log: &dyn Log,
    id: &A::Id,
    (before, after): (&A, &A),
    commit_id: &str,
    context: &CommandContext,
) -> Result<Claims, EventStoreError> {
    let (old, new) = (before.claim(), after.claim());
    if old == new {
        return Ok(Claims::Free(vec![]));
    }
    let user_id = id.to_string();
    let mut messages = Vec::new();
    if let Some(subject) = old {
        let (sequence, holder) = holder(log, &subject).await?;
        if holder.as_deref() != Some(&user_id) {
            return Ok(Claims::Outdated);
        }
        let event = ClaimEvent::NicknameReleased { user_id: user_id.clone() };
        messages.push(message(subject, sequence, &event, commit_id, context)?);
    }
    if let Some(subject) = new {
        let (sequence, holder) = holder(log, &subject).await?;
        match holder {
            Some(holder) if holder == user_id => return Ok(Claims::Outdated),
            Some(_) => return Ok(Claims::Taken),
            None => {}
        }
        let event = ClaimEvent::NicknameClaimed { user_id };
        messages.push(message(subject, sequence, &event, commit_id, context)?);
    }
    Ok(Claims::Free(messages))
}

/// Returns the last sequence on a name's subject and the holder of the name.
async fn holder(log: &dyn Log, subject: &str) -> Result<(u64, Option<String>), EventStoreError> {
    let last: Option<Recorded> = log.last(StreamName::User, subject, Freshness::Leader).await?;
    let Some(last) = last else { return Ok((0, None)) };
    let sequence = last.sequence;
    let commit = RecordedCommit::parse(&last)?;
    let holder = match commit.events::<ClaimEvent>()?.pop() {
        Some(ClaimEvent::NicknameClaimed { user_id }) => Some(user_id),
        Some(ClaimEvent::NicknameReleased { .. }) | None => None,
    };
    Ok((sequence, holder))
}

fn message(
    subject: String,
    sequence: u64,
    event: &ClaimEvent,
    commit_id: &str,
    context: &CommandContext,
) -> Result<NewMessage, EventStoreError> {
    let (headers, payload) = encode::<_, ()>(commit_id, std::slice::from_ref(event), None, context)?;
    let guard = Some(Guard { subject: None, sequence });
    Ok(NewMessage { stream: StreamName::User, subject, message_id: None, guard, headers, payload })
}
