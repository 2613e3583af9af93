//! Executes commands: once each, on the latest state. A repeat gets the first answer.

pub mod aggregate;
pub mod append;
pub mod error;
pub mod outcome;
pub mod store;
pub(crate) mod tail;

mod boxes;
mod closings;
mod idempotency;
mod memberships;
mod slot;
mod talk;
pub(crate) mod unique_names;

use std::{collections::HashMap, future::ready, sync::Arc, time::Duration};

use chrono::TimeDelta;
use cqrs_es::{Aggregate, event_sink::EventSink};
use domain::{BoxEvent, Lane, MessageLookUp, Position, TalkEvent, UserId};
use futures::{FutureExt, future::BoxFuture};
use moka::future::Cache;
use tokio::{sync::MutexGuard, time::sleep};
use tracing::Instrument;
use wire::StreamName;

use crate::{
    codec::envelope::{CommandContext, RecordedCommit},
    executor::{
        aggregate::StoredAggregate,
        error::EventStoreError,
        idempotency::CommandLookup,
        memberships::Memberships,
        outcome::{CommandError, Committed},
        slot::{Slot, observe},
        store::{Loaded, LogEventStore, PendingCommit, Stored, Versioned, lane_of},
        tail::{Tail, TailState},
        talk::TalkStates,
    },
    log::{Freshness, Log, Recorded},
    metrics::METRICS,
};

/// The maximum number of times that a command is decided because of concurrent commits.
const ATTEMPTS: usize = 32;

/// The settings of an executor.
#[derive(Debug, Clone, Copy)]
pub struct ExecutorOptions {
    /// The number of partitions of the boxes.
    pub partitions: u16,
    /// The time for which a repeat of a command gets the first answer.
    pub idempotency_window: TimeDelta,
    /// The maximum number of aggregate states in memory.
    pub cached_states: u64,
}

/// Executes the commands to one type of aggregate. There is one for each process. Ends its tails when dropped.
pub struct Executor<A: StoredAggregate> {
    store: LogEventStore<A>,
    slots: Cache<A::Id, Arc<Slot<A>>>,
    talk: TalkStates,
    memberships: Arc<Memberships<A::Id>>,
    tails: HashMap<StreamName, Tail>,
}

/// A step that has to succeed before each attempt to append the events.
pub type Preparation<'a, A> =
    dyn Fn(&[<A as Aggregate>::Event]) -> BoxFuture<'a, Result<(), EventStoreError>> + Send + Sync + 'a;

/// A command decided on a loaded state.
struct Decision<A: StoredAggregate> {
    loaded: Loaded<A>,
    result: Result<Vec<A::Event>, A::Error>,
    /// True if it depends on the talk state, which the guard of an append does not check.
    is_about_message: bool,
}

impl<A: StoredAggregate> Executor<A> {
    /// Starts tails of the streams that hold the aggregates. The log need not be reachable yet.
    pub fn start(log: Arc<dyn Log>, options: ExecutorOptions) -> Self {
        let slots: Cache<A::Id, Arc<Slot<A>>> = Cache::new(options.cached_states);
        let talk = TalkStates::new(&log, options.partitions);
        let memberships: Arc<Memberships<A::Id>> = Arc::default();
        let tail = |stream| {
            let (observing, clearing) = (talk.clone(), talk.clone());
            let slots = slots.clone();
            let known = slots.clone();
            let (following, clearing_members) = (Arc::clone(&memberships), Arc::clone(&memberships));
            let drop_all = move || {
                known.iter().for_each(|(_, slot)| slot.drop_older(u64::MAX));
                clearing.clear();
                clearing_members.clear();
            };
            let observer = move |commit| {
                observing.observe(&commit);
                following.observe::<A>(&commit);
                observe(slots.clone(), commit)
            };
            let tail = Tail::start(log.clone(), stream, options.idempotency_window, observer, drop_all);
            (stream, tail)
        };
        let tails = A::streams(options.partitions).into_iter().map(tail).collect();
        Self { store: LogEventStore::new(log, options.partitions), slots, talk, memberships, tails }
    }

    /// Returns true if every tail has read the whole idempotency window.
    pub fn caught_up(&self) -> bool {
        self.tails.values().all(|tail| tail.state().caught_up)
    }

    /// Returns the progress of the tail of each stream.
    pub fn tails(&self) -> Vec<(StreamName, TailState)> {
        let mut tails: Vec<_> = self.tails.iter().map(|(stream, tail)| (*stream, tail.state())).collect();
        tails.sort_by_key(|(stream, _)| *stream);
        tails
    }

    /// Returns true if the log has reached this position of one of the streams.
    pub async fn has_reached(&self, position: &Position) -> Result<bool, EventStoreError> {
        let Some((stream, tail)) = self.tails.iter().find(|(stream, _)| stream.label() == position.stream) else {
            return Ok(false);
        };
        if tail.ready().await? != position.incarnation {
            return Ok(false);
        }
        Ok(position.sequence <= tail.state().sequence
            || position.sequence <= self.store.log().state(*stream).await?.last_sequence)
    }

    /// Returns the number of commands in the idempotency index of each stream.
    pub fn index_sizes(&self) -> Vec<(StreamName, usize)> {
        self.tails.iter().map(|(stream, tail)| (*stream, tail.index_size())).collect()
    }

    /// Returns the number of open rooms that a user is in, as far as this process has read the log: the commits of the
    /// idempotency window, and all later ones.
    pub fn memberships_of(&self, user_id: &UserId) -> usize {
        self.memberships.count(user_id)
    }

    /// Returns the state and its version (0 if absent), from memory or any replica: to prepare commands, not to refuse.
    pub async fn load(&self, id: &A::Id) -> Result<(Arc<A>, u64), EventStoreError> {
        let slot = self.slot(id).await;
        let known = self.known(id, &slot).await?;
        Ok((known.state, known.version))
    }

    /// Returns the leader's state of an aggregate and its version. It includes every acknowledged command.
    pub async fn load_latest(&self, id: &A::Id) -> Result<(Arc<A>, u64), EventStoreError> {
        let known = self.store.load(id, Freshness::Leader).await?;
        self.slot(id).await.update(known.clone());
        Ok((known.state, known.version))
    }

    /// Executes a command. A refusal, or that nothing changes, is only returned after deciding on the leader's state.
    /// The state of a message in the command is looked up before each decision.
    pub async fn execute(
        &self,
        id: &A::Id,
        command: A::Command,
        context: CommandContext,
    ) -> Result<Committed<A>, CommandError<A::Error>> {
        self.execute_prepared(id, command, context, &|_| ready(Ok(())).boxed()).await
    }

    /// Like [`execute`](Self::execute), but runs `prepare` before each append. If it fails, nothing is appended. A
    /// repeat of an executed command does not run it.
    pub async fn execute_prepared(
        &self,
        id: &A::Id,
        command: A::Command,
        context: CommandContext,
        prepare: &Preparation<'_, A>,
    ) -> Result<Committed<A>, CommandError<A::Error>> {
        let tail = self.tail(id)?;
        let incarnation = tail.ready().await?;
        let pending = PendingCommit::new::<A>(id, context);
        let slot = self.slot(id).await;
        let run = Run { executor: self, tail, id, slot: &slot, pending: &pending, command: &command, prepare };
        if let Some(replayed) = run.replay().await? {
            return Ok(self.committed(id, replayed, incarnation));
        }
        let stored = run.execute().await?;
        Ok(self.committed(id, stored, incarnation))
    }

    fn committed(&self, id: &A::Id, stored: Stored<A>, incarnation: String) -> Committed<A> {
        let stream = A::stream(id, self.store.partitions()).label();
        let position = Position { stream, incarnation, sequence: stored.sequence };
        Committed { events: stored.events, position, sequence: stored.sequence, replayed: stored.replayed }
    }

    fn tail(&self, id: &A::Id) -> Result<&Tail, EventStoreError> {
        let stream = A::stream(id, self.store.partitions());
        self.tails.get(&stream).ok_or_else(|| EventStoreError::unavailable(format!("{stream} is not served here")))
    }

    async fn slot(&self, id: &A::Id) -> Arc<Slot<A>> {
        self.slots.get_with_by_ref(id, ready(Arc::default())).await
    }

    async fn recorded(&self, id: &A::Id, sequence: u64) -> Result<Option<Recorded>, EventStoreError> {
        let (stream, log) = (A::stream(id, self.store.partitions()), self.store.log());
        match log.get(stream, sequence, Freshness::AnyReplica).await? {
            Some(recorded) => Ok(Some(recorded)),
            None => Ok(log.get(stream, sequence, Freshness::Leader).await?),
        }
    }

    async fn known(&self, id: &A::Id, slot: &Slot<A>) -> Result<Versioned<A>, EventStoreError> {
        if let Some(known) = slot.known() {
            return Ok(known);
        }
        let known = self.store.load(id, Freshness::AnyReplica).await?;
        slot.update(known.clone());
        Ok(known)
    }
}

/// One command in progress.
struct Run<'a, 'p, A: StoredAggregate> {
    executor: &'a Executor<A>,
    tail: &'a Tail,
    id: &'a A::Id,
    slot: &'a Slot<A>,
    pending: &'a PendingCommit,
    command: &'a A::Command,
    prepare: &'a Preparation<'p, A>,
}

/// The states that the leader has confirmed to be the newest.
#[derive(Debug, Clone, Copy, Default)]
struct Confirmed {
    /// The version of the aggregate.
    version: Option<u64>,
    /// True if the talk state is confirmed too.
    talk: bool,
    /// The last sequence in both.
    sequence: u64,
}

impl Confirmed {
    /// Returns true if a decision on this version needs no further confirmation.
    fn covers(&self, version: u64, is_about_message: bool) -> bool {
        self.version.is_some_and(|confirmed| version >= confirmed) && (self.talk || !is_about_message)
    }
}

impl<A: StoredAggregate> Run<'_, '_, A> {
    /// Returns the stored result of this command if it was executed before.
    async fn replay(&self) -> Result<Option<Stored<A>>, EventStoreError> {
        let context = &self.pending.context;
        if context.command_id.is_none() {
            return Ok(None);
        }
        let sequence = match self.tail.look_up(&self.pending.message_id, context.request_hash).await? {
            CommandLookup::No => return Ok(None),
            CommandLookup::OtherRequest => return Err(EventStoreError::KeyReused),
            CommandLookup::Done(sequence) => sequence,
        };
        Stored::earlier(&self.known_commit(sequence).await?).map(Some)
    }

    /// Returns the commit at a sequence that the tail has read.
    async fn known_commit(&self, sequence: u64) -> Result<RecordedCommit, EventStoreError> {
        let stream = A::stream(self.id, self.executor.store.partitions());
        let missing = || EventStoreError::Damaged { reason: format!("{stream} has lost {sequence}") };
        let recorded = self.executor.recorded(self.id, sequence).await?.ok_or_else(missing)?;
        Ok(RecordedCommit::parse(&recorded)?)
    }

    async fn execute(&self) -> Result<Stored<A>, CommandError<A::Error>> {
        let known = self.executor.known(self.id, self.slot).await?;
        let decision = self.decide(&known).await?;
        let changes = decision.result.as_ref().is_ok_and(|events| lane_of::<A>(events) == Lane::Room);
        // Commands that do not change the state do not contend with others.
        let _guard = if changes { Some(self.lock_slot().await) } else { None };
        self.store_or_decide_again(decision).await
    }

    async fn lock_slot(&self) -> MutexGuard<'_, ()> {
        let _waiting = METRICS.start_wait();
        self.slot.queue.lock().await
    }

    /// Stores the decision. Decides again if the state has changed since, or is not confirmed by the leader.
    async fn store_or_decide_again(&self, first: Decision<A>) -> Result<Stored<A>, CommandError<A::Error>> {
        let mut first = Some(first);
        let mut confirmed = Confirmed::default();
        for _ in 0..ATTEMPTS {
            let known = self.executor.known(self.id, self.slot).await?;
            let Decision { loaded, result, is_about_message } = match first.take() {
                Some(first) if Arc::ptr_eq(&first.loaded.before, &known.state) => first,
                _ => self.decide(&known).await?,
            };
            let is_newest = confirmed.covers(known.version, is_about_message);
            let refusal = match result {
                Ok(events) if events.is_empty() && is_about_message && !is_newest => Some(None),
                Ok(events) if self.must_be_stored(&events) => match self.commit(events, loaded).await {
                    Ok(stored) => {
                        if is_about_message {
                            // The next command of the same client is decided on it. It is stored even if this fails.
                            let _ = self.tail.wait_for_sequence(stored.sequence).await;
                        }
                        return Ok(stored);
                    }
                    Err(EventStoreError::Conflict) => {
                        METRICS.conflicts.inc();
                        None
                    }
                    Err(EventStoreError::NameTaken) => Some(A::claim_taken()),
                    Err(error) => return Err(error.into()),
                },
                Ok(_) => Some(None),
                Err(refusal) => Some(Some(refusal)),
            };
            match refusal {
                Some(Some(refusal)) if is_newest => return Err(CommandError::Refused(refusal)),
                Some(None) if is_newest => {
                    let sequence = confirmed.sequence.max(known.version);
                    return Ok(Stored { sequence, events: vec![], replayed: false });
                }
                Some(_) => {}
                None => sleep(Duration::from_millis(rand::random_range(0..=5))).await,
            }
            // Stored into this slot, because the cache may hold another one by now.
            let newest = self.executor.store.load(self.id, Freshness::Leader).await?;
            let version = newest.version;
            self.slot.update(newest);
            let talk = if is_about_message { Some(self.last_of_talk().await?) } else { None };
            let sequence = version.max(talk.unwrap_or_default());
            self.tail.wait_for_sequence(sequence).await?;
            if let Some(replayed) = self.replay().await? {
                return Ok(replayed);
            }
            confirmed = Confirmed { version: Some(version), talk: talk.is_some(), sequence };
        }
        Err(CommandError::Contended)
    }

    /// Returns the last sequence on the talk lane, from the leader.
    async fn last_of_talk(&self) -> Result<u64, EventStoreError> {
        let partitions = self.executor.store.partitions();
        let subject = A::subject(self.id, Lane::Talk, partitions);
        self.executor.talk.last_sequence(A::stream(self.id, partitions), &subject).await
    }

    async fn decide(&self, known: &Versioned<A>) -> Result<Decision<A>, EventStoreError> {
        let mut loaded = Loaded::new(self.id.clone(), known);
        let mut command = self.command.clone();
        let look_up = loaded.state.look_up(&mut command);
        let is_about_message = look_up.is_some();
        if let Some(look_up) = look_up {
            self.look_up(look_up).await?;
        }
        let sink = EventSink::default();
        let handled = loaded.state.handle(command, &(), &sink).await;
        let events = sink.collect().await;
        Ok(Decision { loaded, result: handled.map(|()| events), is_about_message })
    }

    /// Looks up the state of a message. It is at most a few seconds old, and the newest after a confirmation.
    async fn look_up(&self, MessageLookUp { message, with_text }: MessageLookUp<'_>) -> Result<(), EventStoreError> {
        self.tail.confirm().await?;
        let changes = self.executor.talk.message(&message.room_id, message.message_id).await?;
        (message.state.deleted, message.state.reactions) = (changes.deleted, changes.reactions);
        if let Some(sequence) = changes.edited.filter(|_| with_text) {
            let edit = self.known_commit(sequence).await?.events()?.pop();
            if let Some(BoxEvent::Talk { event: TalkEvent::MessageEdited { body, .. }, .. }) = edit {
                message.state.text = body;
            }
        }
        Ok(())
    }

    /// A keyed command that changes nothing is stored too, without events: a late repeat must not be decided again.
    fn must_be_stored(&self, events: &[A::Event]) -> bool {
        !events.is_empty() || self.pending.context.command_id.is_some()
    }

    async fn commit(&self, events: Vec<A::Event>, loaded: Loaded<A>) -> Result<Stored<A>, EventStoreError> {
        let changes = lane_of::<A>(&events) == Lane::Room;
        (self.prepare)(&events).await?;
        let span = tracing::info_span!(target: "boxroom::trace", "append", otel.kind = "producer");
        let read = self.tail.sequence();
        let stored = self.executor.store.append(events, &loaded, self.pending).instrument(span).await?;
        if !stored.replayed {
            self.tail.check_stored(read, stored.sequence)?;
        }
        if changes && !stored.replayed {
            self.executor.memberships.update(self.id, stored.sequence, loaded.state.members());
            self.slot.update(Versioned { state: Arc::new(loaded.state), version: stored.sequence });
        }
        Ok(stored)
    }
}
