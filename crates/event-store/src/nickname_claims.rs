//! Claims for the users of earlier releases, who have claimed their nicknames only without regard to case.
//!
//! Nicknames are encrypted, so only a process with the user keys can do this. Any number of processes may do it at the
//! same time, and any of them may stop at any time.

use std::{collections::HashSet, sync::Arc};

use domain::{User, UserId};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use wire::{
    Source, StreamName,
    subject::{self, NICKNAMES_CLAIMED, hex},
};

use crate::{
    codec::envelope::{CommandContext, RecordedCommit, encode, header},
    executor::{
        aggregate::{NameClaims, StoredAggregate},
        append::{AppendError, RetryPolicy, append},
        error::EventStoreError,
        store::LogEventStore,
        unique_names::{ClaimEvent, claim_alike},
    },
    log::{Freshness, Guard, Log, NewMessage, Range, Recorded},
};

/// The number of messages that are read at a time.
const PAGE_MESSAGES: usize = 1000;
const PAGE_BYTES: usize = 4 << 20;

/// The number of users that are read or claimed for at the same time.
const CONCURRENCY: usize = 32;

/// The number of messages after which the progress is recorded again.
const RECORD_EVERY: u64 = 1000;

/// The events that give a user a nickname.
const NAMING: [&str; 2] = ["user_registered", "nickname_changed"];

/// The sequence up to which every user has been read, as it is stored. The serde names are stored; never rename.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Recording {
    sequence: u64,
}

impl Recording {
    const VERSION: u32 = 1;
}

/// The result of reading on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Claimed {
    /// The sequence up to which every user has been read.
    pub sequence: u64,
    /// The last sequence of the stream.
    pub end: u64,
    /// The number of users without the claim that had to be examined.
    pub examined: usize,
}

/// Reads the users from where any process has recorded that they have their claims, and claims for the others.
pub struct NicknameClaims {
    store: LogEventStore<User>,
    /// The sequence up to which every user has been read. None before the recorded one is read.
    read: Option<u64>,
    /// The commit of the last claim that was read. It immediately precedes the event that needed it.
    last_claim: Option<String>,
}

impl NicknameClaims {
    /// Creates a reader of a log with this many partitions.
    pub fn new(log: Arc<dyn Log>, partitions: u16) -> Self {
        Self { store: LogEventStore::new(log, partitions), read: None, last_claim: None }
    }

    /// Reads the next part of the log, and claims for the users in it, the oldest first. The progress has reached the
    /// end if both sequences are equal.
    pub async fn advance(&mut self, context: &CommandContext) -> Result<Claimed, EventStoreError> {
        let read = match self.read {
            Some(read) => read,
            None => self.recording().await?.1.sequence,
        };
        let log = self.store.log();
        let end = log.state(StreamName::User).await?.last_sequence;
        if read >= end {
            self.read = Some(read);
            return Ok(Claimed { sequence: read, end: read, examined: 0 });
        }
        // The names of users who have their claims need no decryption.
        let stored = log.as_stored().unwrap_or_else(|| Arc::clone(log));
        let range = Range {
            stream: StreamName::User,
            from: read + 1,
            subject: None,
            max_messages: PAGE_MESSAGES,
            max_bytes: PAGE_BYTES,
        };
        let page = stored.read(range).await?;
        let Some(sequence) = page.last().map(|recorded| recorded.sequence) else {
            return Err(EventStoreError::unavailable("a replica is behind".to_owned()));
        };
        let mut last_claim = self.last_claim.clone();
        let users = unclaimed(&page, &mut last_claim)?;
        self.claim_for(&users, context).await?;
        (self.read, self.last_claim) = (Some(sequence), last_claim);
        self.record(sequence, context).await?;
        Ok(Claimed { sequence, end: end.max(sequence), examined: users.len() })
    }

    /// Claims for users, in this order if their names look alike.
    async fn claim_for(&self, users: &[UserId], context: &CommandContext) -> Result<(), EventStoreError> {
        let names: Vec<_> = users.iter().map(|user_id| self.name(user_id).boxed()).collect();
        let names: Vec<Option<NameClaims>> = stream::iter(names).buffered(CONCURRENCY).try_collect().await?;
        let holders = users.iter().zip(names).filter_map(|(user_id, name)| Some((user_id, name?.alike)));
        let mut subjects = HashSet::new();
        let (first, later): (Vec<_>, Vec<_>) = holders.partition(|(_, alike)| subjects.insert(alike.clone()));
        let claim = |(user_id, _): (_, String)| claim_alike(&self.store, user_id, context).boxed();
        let claims: Vec<_> = first.into_iter().map(claim).collect();
        stream::iter(claims).buffer_unordered(CONCURRENCY).try_for_each(|_| async { Ok(()) }).await?;
        for (user_id, _) in later {
            if !claim_alike(&self.store, user_id, context).await? {
                tracing::warn!(user.id = %user_id, "the nickname looks like that of an older user");
            }
        }
        Ok(())
    }

    /// Returns the claims that a user needs. None for an erased one, and for one that this release cannot read.
    async fn name(&self, user_id: &UserId) -> Result<Option<NameClaims>, EventStoreError> {
        match self.store.load(user_id, Freshness::Leader).await {
            Ok(known) => Ok(known.state.claims()),
            Err(EventStoreError::Corrupt { reason }) => {
                tracing::error!(user.id = %user_id, reason, "the nickname of a user cannot be read");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the sequence of the last record, and the record.
    async fn recording(&self) -> Result<(u64, Recording), EventStoreError> {
        let last = self.store.log().last(StreamName::User, NICKNAMES_CLAIMED, Freshness::Leader).await?;
        let Some(last) = last else { return Ok((0, Recording::default())) };
        let recording =
            RecordedCommit::parse(&last)?.state(Recording::VERSION..=Recording::VERSION).unwrap_or_default();
        Ok((last.sequence, recording))
    }

    /// Records the progress, if it is far enough beyond the recorded one.
    async fn record(&self, sequence: u64, context: &CommandContext) -> Result<(), EventStoreError> {
        let (version, recorded) = self.recording().await?;
        if sequence < recorded.sequence + RECORD_EVERY {
            return Ok(());
        }
        let commit_id = hex(&rand::random::<u128>().to_be_bytes());
        let state = Some((Recording::VERSION, &Recording { sequence }));
        let (headers, payload) = encode::<ClaimEvent, _>(&commit_id, &[], state, context)?;
        let message = NewMessage {
            stream: StreamName::User,
            subject: NICKNAMES_CLAIMED.to_owned(),
            message_id: None,
            guard: Some(Guard { subject: None, sequence: version }),
            headers,
            payload,
        };
        match append(self.store.log().as_ref(), &[message], &RetryPolicy::default()).await {
            // Another process has recorded its progress.
            Ok(_) | Err(AppendError::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns the users that were given a nickname without the claim on names that look like it, each once.
fn unclaimed(page: &[Recorded], last_claim: &mut Option<String>) -> Result<Vec<UserId>, EventStoreError> {
    let (mut users, mut known) = (Vec::new(), HashSet::new());
    for recorded in page {
        let commit = RecordedCommit::parse(recorded)?;
        let has = |event: &str| recorded.header(header::EVENT_TYPES).is_some_and(|types| types.contains(event));
        match commit.source {
            Source::Claim if subject::is_nickname_claim_v2(&recorded.subject) && has("nickname_claimed") => {
                *last_claim = Some(commit.commit_id);
            }
            Source::User { user_id } if NAMING.into_iter().any(has) => {
                let is_claimed = last_claim.as_ref() == Some(&commit.commit_id);
                if !is_claimed && known.insert(user_id.clone()) {
                    users.push(user_id);
                }
            }
            _ => {}
        }
    }
    Ok(users)
}
