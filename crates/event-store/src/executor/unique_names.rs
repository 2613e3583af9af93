//! Unique names: claimed and released by messages beside the events that need them.

use cqrs_es::DomainEvent;
use domain::{RoomId, User, UserId};
use serde::{Deserialize, Serialize};
use wire::{StreamName, subject::hex};

use crate::{
    codec::{
        envelope::{CommandContext, RecordedCommit, encode},
        upcast::{StoredEvent, Upcast},
    },
    executor::{
        aggregate::{NameClaims, StoredAggregate},
        append::{AppendError, RetryPolicy, append},
        error::EventStoreError,
        store::LogEventStore,
    },
    log::{Freshness, Guard, Log, NewMessage, Recorded},
};

/// The maximum number of times that a claim is tried because of concurrent ones.
const ATTEMPTS: usize = 32;

/// A claim of a user, or the end of one. The serde names are stored; never rename.
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
    /// A user claimed the slot of the subject for a room that was about to be opened. The claim counts while the user
    /// hosts this room and the room is open.
    OpenerClaimed {
        /// The user.
        user_id: UserId,
        /// The room.
        room_id: RoomId,
    },
}

impl DomainEvent for ClaimEvent {
    fn event_type(&self) -> String {
        match self {
            Self::NicknameClaimed { .. } => "nickname_claimed".to_owned(),
            Self::NicknameReleased { .. } => "nickname_released".to_owned(),
            Self::OpenerClaimed { .. } => "opener_claimed".to_owned(),
        }
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl StoredEvent for ClaimEvent {
    const TYPES: &'static [&'static str] = &["nickname_claimed", "nickname_released", "opener_claimed"];
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
    store: &LogEventStore<A>,
    id: &A::Id,
    (before, after): (&A, &A),
    commit_id: &str,
    context: &CommandContext,
) -> Result<Claims, EventStoreError> {
    let (old, new) = (before.claims(), after.claims());
    if old == new {
        return Ok(Claims::Free(vec![]));
    }
    let log = store.log().as_ref();
    let user_id = id.to_string();
    let released = ClaimEvent::NicknameReleased { user_id: user_id.clone() };
    let claimed = ClaimEvent::NicknameClaimed { user_id: user_id.clone() };
    let exact: fn(&NameClaims) -> &String = |claims| &claims.exact;
    let alike: fn(&NameClaims) -> &String = |claims| &claims.alike;
    let old_of = |subject: fn(&NameClaims) -> &String| old.as_ref().map(subject);
    let new_of = |subject: fn(&NameClaims) -> &String| new.as_ref().map(subject);
    let mut messages = Vec::new();
    if let Some(subject) = old_of(exact).filter(|old| new_of(exact) != Some(old)) {
        let Holder { sequence, user_id: holder } = holder(log, subject).await?;
        if holder.as_ref() != Some(&user_id) {
            return Ok(Claims::Outdated);
        }
        messages.push(message(subject, sequence, &released, commit_id, context)?);
    }
    if let Some(subject) = old_of(alike).filter(|old| new_of(alike) != Some(old)) {
        let Holder { sequence, user_id: holder } = holder(log, subject).await?;
        if holder.as_ref() == Some(&user_id) {
            messages.push(message(subject, sequence, &released, commit_id, context)?);
        }
    }
    if let Some(subject) = new_of(exact).filter(|new| old_of(exact) != Some(new)) {
        let Holder { sequence, user_id: holder } = holder(log, subject).await?;
        match holder {
            Some(holder) if holder == user_id => return Ok(Claims::Outdated),
            Some(_) => return Ok(Claims::Taken),
            None => messages.push(message(subject, sequence, &claimed, commit_id, context)?),
        }
    }
    if let Some(subject) = new_of(alike) {
        let Holder { sequence, user_id: holder } = holder(log, subject).await?;
        match holder {
            Some(holder) if holder == user_id && old_of(alike) == Some(subject) => {}
            Some(other) if other != user_id && is_held(store, &other, subject).await? => return Ok(Claims::Taken),
            // An own claim from before is repeated, because another user may be taking it over.
            _ => messages.push(message(subject, sequence, &claimed, commit_id, context)?),
        }
    }
    Ok(Claims::Free(messages))
}

/// Claims all names that look like the name of a user, if the user has no such claim and no other user has. Returns
/// true if the user has it now.
pub(crate) async fn claim_alike(
    store: &LogEventStore<User>,
    user_id: &UserId,
    context: &CommandContext,
) -> Result<bool, EventStoreError> {
    let log = store.log().as_ref();
    let event = ClaimEvent::NicknameClaimed { user_id: user_id.to_string() };
    for _ in 0..ATTEMPTS {
        let state = store.load(user_id, Freshness::Leader).await?.state;
        let Some(NameClaims { alike, .. }) = state.claims() else { return Ok(false) };
        let holder = holder(log, &alike).await?;
        match &holder.user_id {
            Some(holder) if holder == user_id.as_str() => return Ok(true),
            Some(other) if is_held(store, other, &alike).await? => return Ok(false),
            _ => {}
        }
        // If the user changes the name meanwhile, the claim does not count.
        let commit_id = hex(&rand::random::<u128>().to_be_bytes());
        let message = message(&alike, holder.sequence, &event, &commit_id, context)?;
        match append(log, &[message], &RetryPolicy::default()).await {
            Ok(_) => return Ok(true),
            Err(AppendError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(EventStoreError::Contended)
}

/// Returns true if the holder of a claim on names that look alike still has such a name.
async fn is_held<A: StoredAggregate>(
    store: &LogEventStore<A>,
    holder: &str,
    subject: &str,
) -> Result<bool, EventStoreError> {
    let Ok(id) = holder.parse() else { return Ok(false) };
    let held = store.load(&id, Freshness::Leader).await?.state.claims();
    Ok(held.is_some_and(|claims| claims.alike == subject))
}

/// The last sequence on the subject of a claim, and the user who has claimed it.
struct Holder {
    sequence: u64,
    user_id: Option<String>,
}

async fn holder(log: &dyn Log, subject: &str) -> Result<Holder, EventStoreError> {
    let last: Option<Recorded> = log.last(StreamName::User, subject, Freshness::Leader).await?;
    let Some(last) = last else { return Ok(Holder { sequence: 0, user_id: None }) };
    let user_id = match RecordedCommit::parse(&last)?.events::<ClaimEvent>()?.pop() {
        Some(ClaimEvent::NicknameClaimed { user_id }) => Some(user_id),
        Some(ClaimEvent::NicknameReleased { .. } | ClaimEvent::OpenerClaimed { .. }) | None => None,
    };
    Ok(Holder { sequence: last.sequence, user_id })
}

/// Builds the message of a claim, guarded by the last sequence of its subject.
pub(crate) fn message(
    subject: &str,
    sequence: u64,
    event: &ClaimEvent,
    commit_id: &str,
    context: &CommandContext,
) -> Result<NewMessage, EventStoreError> {
    let (headers, payload) = encode::<_, ()>(commit_id, std::slice::from_ref(event), None, context)?;
    let (stream, subject) = (StreamName::User, subject.to_owned());
    Ok(NewMessage {
        stream,
        subject,
        message_id: None,
        guard: Some(Guard { subject: None, sequence }),
        headers,
        payload,
    })
}
