//! `cqrs_es::EventStore` on the log: loads an aggregate with one read, and appends the events of a decision as one
//! commit.

use std::{collections::HashMap, marker::PhantomData, sync::Arc, time::Duration};

use cqrs_es::{AggregateContext, AggregateError, EventEnvelope, EventStore};
use domain::{Lane, UserId};
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use wire::subject::hex;

use crate::{
    codec::{
        actor::ActorRole,
        envelope::{CommandContext, RecordedCommit, RequestHash, encode},
        upcast::DecodeError,
    },
    executor::{
        aggregate::StoredAggregate,
        append::{RetryPolicy, append},
        error::EventStoreError,
        unique_names::{Claims, claims},
    },
    log::{Freshness, Guard, Log, NewMessage, Range},
};

/// The longest time between looking a command up and the first attempt to append it. Together with the time of all
/// attempts it is far below the server's duplicate window, even if the process was frozen in between.
const MAX_DECISION_TIME: Duration = Duration::from_mins(1);

/// An aggregate as loaded, and its state after the command that is being decided.
#[derive(Debug)]
pub struct Loaded<A: StoredAggregate> {
    pub(crate) id: A::Id,
    pub(crate) before: Arc<A>,
    pub(crate) state: A,
    pub(crate) version: u64,
}

impl<A: StoredAggregate> Loaded<A> {
    pub(crate) fn new(id: A::Id, known: &Versioned<A>) -> Self {
        Self { id, before: known.state.clone(), state: (*known.state).clone(), version: known.version }
    }
}

impl<A: StoredAggregate> AggregateContext<A> for Loaded<A> {
    fn aggregate(&mut self) -> &mut A {
        &mut self.state
    }
}

/// A state and the sequence of the last commit in it. The sequence is 0 for an aggregate that does not exist.
#[derive(Debug)]
pub(crate) struct Versioned<A> {
    pub(crate) state: Arc<A>,
    pub(crate) version: u64,
}

impl<A> Clone for Versioned<A> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), version: self.version }
    }
}

/// A commit to be appended: its ids and the command's context.
#[derive(Debug, Clone)]
pub(crate) struct PendingCommit {
    /// The time before the command was looked up.
    started_at: Instant,
    pub(crate) commit_id: String,
    pub(crate) message_id: String,
    pub(crate) context: CommandContext,
}

impl PendingCommit {
    /// Creates the ids. Message ids are unique within a whole stream, so the client's key is hashed with aggregate and
    /// principal.
    pub(crate) fn new<A: StoredAggregate>(id: &A::Id, context: CommandContext) -> Self {
        let commit_id = hex(&rand::random::<u128>().to_be_bytes());
        let message_id = match &context.command_id {
            Some(key) => {
                let scope = format!("{}\n{id}\n{}\n{key}", A::TYPE, principal(&context));
                hex(Sha256::digest(scope.as_bytes()).get(..16).unwrap_or_default())
            }
            None => commit_id.clone(),
        };
        Self { started_at: Instant::now(), commit_id, message_id, context }
    }
}

/// The principal in the scope of an idempotency key. For a user it is the bare id, as in releases without roles, so
/// that repeats are recognized across an upgrade. The system's id belongs to no user.
pub(crate) fn principal(context: &CommandContext) -> String {
    match context.role {
        ActorRole::User | ActorRole::System => context.actor.to_string(),
        // This has one line more than a user's scope. Ids and keys contain no line breaks.
        role @ (ActorRole::Operator | ActorRole::Moderator | ActorRole::Device) => {
            format!("{}\n{}", role.as_str(), context.actor)
        }
    }
}

/// A commit in the log.
pub(crate) struct Stored<A: StoredAggregate> {
    pub(crate) sequence: u64,
    pub(crate) events: Vec<A::Event>,
    /// True if it was stored by an earlier execution.
    pub(crate) replayed: bool,
}

impl<A: StoredAggregate> Stored<A> {
    /// Converts a commit found in the log to the result of its first execution.
    pub(crate) fn earlier(commit: &RecordedCommit) -> Result<Self, EventStoreError> {
        Ok(Self { sequence: commit.sequence, events: commit.events()?, replayed: true })
    }

    /// Returns the events as `cqrs-es` expects them.
    fn envelopes(self, id: &A::Id) -> Vec<EventEnvelope<A>> {
        let sequence = usize::try_from(self.sequence).unwrap_or(usize::MAX);
        let envelope =
            |payload| EventEnvelope { aggregate_id: id.to_string(), sequence, payload, metadata: HashMap::new() };
        self.events.into_iter().map(envelope).collect()
    }
}

/// The event store of one aggregate type.
pub struct LogEventStore<A> {
    log: Arc<dyn Log>,
    partitions: u16,
    retry_policy: RetryPolicy,
    aggregate: PhantomData<fn() -> A>,
}

impl<A: StoredAggregate> LogEventStore<A> {
    /// Creates the event store on a log with this many partitions.
    pub fn new(log: Arc<dyn Log>, partitions: u16) -> Self {
        Self { log, partitions, retry_policy: RetryPolicy::default(), aggregate: PhantomData }
    }

    pub(crate) fn log(&self) -> &Arc<dyn Log> {
        &self.log
    }

    pub(crate) fn partitions(&self) -> u16 {
        self.partitions
    }

    /// Loads an aggregate, normally with one read: the last commit carries the state after it.
    pub(crate) async fn load(&self, id: &A::Id, from: Freshness) -> Result<Versioned<A>, EventStoreError> {
        let stream = A::stream(id, self.partitions);
        let subject = A::subject(id, Lane::Room, self.partitions);
        let Some(last) = self.log.last(stream, &subject, from).await? else {
            return Ok(Versioned { state: Arc::new(A::default()), version: 0 });
        };
        let version = last.sequence;
        let commit = RecordedCommit::parse(&last)?;
        if let Some(state) = A::stored_state(&commit).filter(A::is_complete) {
            return Ok(Versioned { state: Arc::new(state), version });
        }
        Ok(Versioned { state: Arc::new(self.fold(id, version).await?), version })
    }

    /// Folds the state from all commits up to a version.
    pub(crate) async fn fold(&self, id: &A::Id, version: u64) -> Result<A, EventStoreError> {
        let mut state = A::default();
        for commit in self.history(id, version).await? {
            commit.events::<A::Event>()?.into_iter().for_each(|event| state.apply(event));
        }
        Ok(state)
    }

    /// Folds the state from the readable commits and skips the others.
    pub(crate) async fn load_readable(&self, id: &A::Id) -> Result<Versioned<A>, EventStoreError> {
        let stream = A::stream(id, self.partitions);
        let subject = A::subject(id, Lane::Room, self.partitions);
        let version = self.log.last(stream, &subject, Freshness::Leader).await?.map_or(0, |last| last.sequence);
        let mut state = A::default();
        for commit in self.history(id, version).await? {
            commit.events::<A::Event>().unwrap_or_default().into_iter().for_each(|event| state.apply(event));
        }
        Ok(Versioned { state: Arc::new(state), version })
    }

    /// Returns the commits up to a version.
    async fn history(&self, id: &A::Id, version: u64) -> Result<Vec<RecordedCommit>, EventStoreError> {
        let stream = A::stream(id, self.partitions);
        let subject = A::subject(id, Lane::Room, self.partitions);
        let mut commits = Vec::new();
        let mut from = 1;
        while from <= version {
            let range = Range { stream, from, subject: Some(&subject), max_messages: 1000, max_bytes: 4 << 20 };
            let page = self.log.read(range).await?;
            let Some(end) = page.last().map(|recorded| recorded.sequence) else {
                return Err(EventStoreError::unavailable("a replica is behind".into()));
            };
            from = end + 1;
            for recorded in page.into_iter().filter(|recorded| recorded.sequence <= version) {
                commits.push(RecordedCommit::parse(&recorded)?);
            }
        }
        Ok(commits)
    }

    /// Appends the events of a decision on a loaded aggregate, which already holds the state after them.
    pub(crate) async fn append(
        &self,
        events: Vec<A::Event>,
        loaded: &Loaded<A>,
        pending: &PendingCommit,
    ) -> Result<Stored<A>, EventStoreError> {
        if pending.started_at.elapsed() > MAX_DECISION_TIME {
            return Err(EventStoreError::unavailable("the decision took too long".to_owned()));
        }
        let states = (loaded.before.as_ref(), &loaded.state);
        let claimed = claims(self, &loaded.id, states, &pending.commit_id, &pending.context).await?;
        let mut messages = match claimed {
            Claims::Free(messages) => messages,
            Claims::Taken => return Err(EventStoreError::NameTaken),
            Claims::Outdated => return Err(EventStoreError::Conflict),
        };
        messages.push(self.message(&events, loaded, pending)?);
        let appended = append(self.log.as_ref(), &messages, &self.retry_policy).await?;
        if let Some(earlier) = appended.earlier {
            return Stored::earlier(&RecordedCommit::parse(&earlier)?);
        }
        Ok(Stored { sequence: appended.sequence, events, replayed: false })
    }

    fn message(
        &self,
        events: &[A::Event],
        loaded: &Loaded<A>,
        pending: &PendingCommit,
    ) -> Result<NewMessage, EventStoreError> {
        let after = StateAfter { state: &loaded.state, version: loaded.version };
        Ok(message(&loaded.id, events, &after, pending, self.partitions)?)
    }
}

/// The state after a commit, and the version on which it was decided.
#[derive(Debug)]
pub struct StateAfter<'a, A> {
    /// The state after it.
    pub state: &'a A,
    /// The sequence of the last commit of the room lane before it; 0 if it is the first.
    pub version: u64,
}

/// Returns the message of a commit without a decision, for generated logs in benchmarks.
pub fn prepare<A: StoredAggregate>(
    id: &A::Id,
    events: &[A::Event],
    after: &StateAfter<'_, A>,
    context: CommandContext,
    partitions: u16,
) -> Result<NewMessage, DecodeError> {
    message(id, events, after, &PendingCommit::new::<A>(id, context), partitions)
}

/// Returns the lane of a commit with these events, which may be empty.
pub(crate) fn lane_of<A: StoredAggregate>(events: &[A::Event]) -> Lane {
    events.first().map_or(A::LANE_WITHOUT_EVENTS, A::lane)
}

fn message<A: StoredAggregate>(
    id: &A::Id,
    events: &[A::Event],
    after: &StateAfter<'_, A>,
    pending: &PendingCommit,
    partitions: u16,
) -> Result<NewMessage, DecodeError> {
    let lane = lane_of::<A>(events);
    let (state, guarded) = match lane {
        Lane::Room => (Some((A::STATE_VERSION, after.state)), None),
        Lane::Talk => (None, Some(A::subject(id, Lane::Room, partitions))),
    };
    let (headers, payload) = encode(&pending.commit_id, events, state, &pending.context)?;
    Ok(NewMessage {
        stream: A::stream(id, partitions),
        subject: A::subject(id, lane, partitions),
        message_id: Some(pending.message_id.clone()),
        guard: Some(Guard { subject: guarded, sequence: after.version }),
        headers,
        payload,
    })
}

/// Keys of a command's metadata in the interface of `cqrs-es`.
pub mod metadata {
    /// The client's id of the command.
    pub const COMMAND_ID: &str = "command_id";
    /// The keyed hash of the request.
    pub const REQUEST_HASH: &str = "request_hash";
    /// The id of the actor who sent the command.
    pub const ACTOR: &str = "actor";
    /// The role of the actor.
    pub const ACTOR_ROLE: &str = "actor_role";
    /// The time at which the command was received, in RFC 3339.
    pub const OCCURRED_AT: &str = "occurred_at";
    /// W3C trace context.
    pub const TRACEPARENT: &str = "traceparent";
    /// The reason for the command.
    pub const REASON: &str = "reason";
}

fn context_of(metadata: &HashMap<String, String>) -> Result<CommandContext, EventStoreError> {
    let get = |key: &str| metadata.get(key);
    let missing = |what: &str| EventStoreError::Corrupt { reason: format!("the command has no {what}") };
    let actor: Option<UserId> = get(metadata::ACTOR).and_then(|actor| actor.parse().ok());
    let at = get(metadata::OCCURRED_AT).and_then(|at| at.parse().ok());
    let request_hash = get(metadata::REQUEST_HASH).and_then(|hash| RequestHash::parse(hash));
    Ok(CommandContext {
        command_id: get(metadata::COMMAND_ID).cloned(),
        request_hash: request_hash.ok_or_else(|| missing(metadata::REQUEST_HASH))?,
        actor: actor.ok_or_else(|| missing(metadata::ACTOR))?,
        role: get(metadata::ACTOR_ROLE).and_then(|role| ActorRole::parse(role)).unwrap_or(ActorRole::User),
        at: at.ok_or_else(|| missing(metadata::OCCURRED_AT))?,
        traceparent: get(metadata::TRACEPARENT).cloned(),
        reason: get(metadata::REASON).and_then(|reason| reason.clone().try_into().ok()),
    })
}

fn as_aggregate_error<E: std::error::Error>(error: EventStoreError) -> AggregateError<E> {
    match error {
        EventStoreError::Conflict => AggregateError::AggregateConflict,
        EventStoreError::Unavailable { .. } => AggregateError::DatabaseConnectionError(error.into()),
        EventStoreError::Corrupt { .. } => AggregateError::DeserializationError(error.into()),
        error => AggregateError::UnexpectedError(error.into()),
    }
}

/// The interface for `cqrs-es`. The executor bypasses it for what it cannot express: repeats, and the reason of a
/// failed commit.
impl<A> EventStore<A> for LogEventStore<A>
where
    A: StoredAggregate<Id: std::str::FromStr<Err: std::fmt::Display>>,
{
    type AC = Loaded<A>;

    async fn load_events(&self, aggregate_id: &str) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        let load = async {
            let id = parse::<A>(aggregate_id)?;
            let version = self.load(&id, Freshness::Leader).await?.version;
            let mut events = Vec::new();
            for commit in self.history(&id, version).await? {
                events.extend(Stored::earlier(&commit)?.envelopes(&id));
            }
            Ok(events)
        };
        load.await.map_err(as_aggregate_error)
    }

    async fn load_aggregate(&self, aggregate_id: &str) -> Result<Loaded<A>, AggregateError<A::Error>> {
        let load = async {
            let id = parse::<A>(aggregate_id)?;
            let known = self.load(&id, Freshness::Leader).await?;
            Ok(Loaded::new(id, &known))
        };
        load.await.map_err(as_aggregate_error)
    }

    async fn commit(
        &self,
        events: Vec<A::Event>,
        context: Loaded<A>,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        let commit = async {
            let pending = PendingCommit::new::<A>(&context.id, context_of(&metadata)?);
            let stored = self.append(events, &context, &pending).await?;
            Ok(stored.envelopes(&context.id))
        };
        match commit.await {
            Ok(envelopes) => Ok(envelopes),
            Err(error @ EventStoreError::NameTaken) => Err(match A::claim_taken() {
                Some(refusal) => AggregateError::UserError(refusal),
                None => as_aggregate_error(error),
            }),
            Err(error) => Err(as_aggregate_error(error)),
        }
    }
}

fn parse<A>(id: &str) -> Result<A::Id, EventStoreError>
where
    A: StoredAggregate<Id: std::str::FromStr<Err: std::fmt::Display>>,
{
    id.parse().map_err(|error| EventStoreError::Corrupt { reason: format!("{id} is not a valid id: {error}") })
}
