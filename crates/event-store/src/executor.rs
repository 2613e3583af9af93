//! Carries out commands: once each, on the newest state, and with an answer that a repeat gets again.

use std::{
    collections::HashMap,
    future::ready,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use chrono::TimeDelta;
use cqrs_es::{Aggregate, EventEnvelope, event_sink::EventSink};
use domain::{Lane, Position};
use futures::{FutureExt, future::BoxFuture};
use moka::future::Cache;
use tokio::{sync::MutexGuard, time::sleep};
use tracing::Instrument;

use crate::{
    aggregate::StoredAggregate,
    envelope::{CommandContext, RecordedCommit},
    error::EventStoreError,
    index::Known,
    log::{Freshness, Log},
    metrics::METRICS,
    space::Lack,
    store::{Loaded, LogEventStore, Order, Stored, Versioned, lane_of},
    stream::StreamName,
    tail::{Tail, TailState},
};

mod boxes;

/// How often a command is decided again because others were faster.
const ATTEMPTS: usize = 32;

/// What an executor needs to know.
#[derive(Debug, Clone, Copy)]
pub struct ExecutorOptions {
    /// Over how many partitions the boxes are spread.
    pub partitions: u16,
    /// For how long a repeat of a command gets the first answer.
    pub idempotency_window: TimeDelta,
    /// How many states to keep in memory.
    pub cached_states: u64,
}

/// The command was carried out: its events are in the log.
#[derive(Debug)]
pub struct Committed<A: StoredAggregate> {
    /// The events; empty if the state was as requested already.
    pub events: Vec<EventEnvelope<A>>,
    /// Where in the log that is; a read model that has come so far shows it.
    pub position: Position,
    /// The sequence of the commit; of a posted message, its id.
    pub sequence: u64,
    /// Whether it was carried out earlier, and this is a repeat.
    pub replayed: bool,
}

/// The command was not carried out, or nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum CommandError<E: std::error::Error + 'static> {
    /// The rules are against it.
    #[error("{0}")]
    Refused(E),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The user was erased meanwhile: certainly not carried out.
    #[error("the user was erased")]
    Erased,
    /// Too many others want the same at the same time: certainly not carried out.
    #[error("too many commands at once")]
    Contended,
    /// The log is not there, or slow.
    #[error("the log cannot be reached: {reason}")]
    Unavailable {
        /// Whether it may have been carried out nevertheless. A repeat with the same idempotency key settles it.
        outcome_unknown: bool,
        /// What went wrong.
        reason: String,
    },
    /// The server has no space for it: certainly not carried out.
    #[error("the log has no space left: {0}")]
    Full(Lack),
    /// The log is not what was read from it before, for now or for good: certainly not carried out.
    #[error("the log is damaged: {reason}")]
    Damaged {
        /// What is wrong.
        reason: String,
    },
    /// What is stored cannot be understood.
    #[error("the log is damaged, or newer than this process: {reason}")]
    Corrupt {
        /// What is wrong.
        reason: String,
    },
}

impl<E: std::error::Error + 'static> From<EventStoreError> for CommandError<E> {
    fn from(error: EventStoreError) -> Self {
        match error {
            EventStoreError::KeyReused => Self::KeyReused,
            EventStoreError::Erased => Self::Erased,
            EventStoreError::Conflict | EventStoreError::NameTaken | EventStoreError::Contended => Self::Contended,
            EventStoreError::Unavailable { outcome_unknown, reason } => Self::Unavailable { outcome_unknown, reason },
            EventStoreError::Full(lack) => Self::Full(lack),
            EventStoreError::Damaged { reason } => Self::Damaged { reason },
            EventStoreError::Corrupt { reason } => Self::Corrupt { reason },
        }
    }
}

/// What a process keeps of one aggregate. Held by the cache, by the commands that are being carried out, and by the tail.
struct Slot<A> {
    /// Commands that change the state wait here for each other; the guard makes it right, this makes it cheap.
    queue: tokio::sync::Mutex<()>,
    known: RwLock<Option<Versioned<A>>>,
}

impl<A> Default for Slot<A> {
    fn default() -> Self {
        Self { queue: tokio::sync::Mutex::default(), known: RwLock::default() }
    }
}

impl<A> Slot<A> {
    fn known(&self) -> Option<Versioned<A>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is known is older than this version, which has to be read.
    fn forget_before(&self, version: u64) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.take_if(|known| known.version < version);
    }

    fn learn(&self, newer: Versioned<A>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|known| known.version < newer.version) {
            *known = Some(newer);
        }
    }
}

/// Carries out the commands to one kind of aggregate. One for each process; ends its tails when dropped.
pub struct Executor<A: StoredAggregate> {
    store: LogEventStore<A>,
    slots: Cache<A::Id, Arc<Slot<A>>>,
    tails: HashMap<StreamName, Tail>,
}

/// What has to be done before events are appended, each time that they are about to be.
pub type Preparation<'a, A> =
    dyn Fn(&[<A as Aggregate>::Event]) -> BoxFuture<'a, Result<(), EventStoreError>> + Send + Sync + 'a;

/// A decision of the rules.
enum Decision<A: StoredAggregate> {
    Events(Vec<A::Event>, Loaded<A>),
    Refused(A::Error),
}

impl<A: StoredAggregate> Executor<A> {
    /// Begins to follow the streams that hold the aggregates. The log need not be reachable yet.
    pub fn start(log: Arc<dyn Log>, options: ExecutorOptions) -> Self {
        let slots: Cache<A::Id, Arc<Slot<A>>> = Cache::new(options.cached_states);
        let tail = |stream| {
            let slots = slots.clone();
            let known = slots.clone();
            let forget = move || known.iter().for_each(|(_, slot)| slot.forget_before(u64::MAX));
            let observer = move |commit| observe(slots.clone(), commit);
            let tail = Tail::start(log.clone(), stream, options.idempotency_window, observer, forget);
            (stream, tail)
        };
        let tails = A::streams(options.partitions).into_iter().map(tail).collect();
        Self { store: LogEventStore::new(log, options.partitions), slots, tails }
    }

    /// Whether everything that the idempotency window needs has been read.
    pub fn caught_up(&self) -> bool {
        self.tails.values().all(|tail| tail.state().caught_up)
    }

    /// How far each stream has been read.
    pub fn tails(&self) -> Vec<(StreamName, TailState)> {
        let mut tails: Vec<_> = self.tails.iter().map(|(stream, tail)| (*stream, tail.state())).collect();
        tails.sort_by_key(|(stream, _)| *stream);
        tails
    }

    /// How many commands of each stream are known by their ids, to answer a repeat of theirs.
    pub fn remembered(&self) -> Vec<(StreamName, usize)> {
        self.tails.iter().map(|(stream, tail)| (*stream, tail.remembered())).collect()
    }

    /// The state of an aggregate and its version (0 if it does not exist), from memory or any replica: to prepare a
    /// command, never to refuse one.
    pub async fn load(&self, id: &A::Id) -> Result<(Arc<A>, u64), EventStoreError> {
        let slot = self.slot(id).await;
        let known = self.known(id, &slot).await?;
        Ok((known.state, known.version))
    }

    /// The state of an aggregate and its version as the leader has it now: never behind an acknowledged command.
    pub async fn load_latest(&self, id: &A::Id) -> Result<(Arc<A>, u64), EventStoreError> {
        let known = self.store.load(id, Freshness::Leader).await?;
        self.slot(id).await.learn(known.clone());
        Ok((known.state, known.version))
    }

    /// Carries out a command. A refusal, and that nothing needs to be done, is only ever answered on what the leader has.
    pub async fn execute(
        &self,
        id: &A::Id,
        command: A::Command,
        context: CommandContext,
    ) -> Result<Committed<A>, CommandError<A::Error>> {
        self.execute_prepared(id, command, context, &|_| ready(Ok(())).boxed()).await
    }

    /// Like [`execute`](Self::execute), but prepares every attempt to append; what fails to be prepared is not appended.
    pub async fn execute_prepared(
        &self,
        id: &A::Id,
        command: A::Command,
        context: CommandContext,
        prepare: &Preparation<'_, A>,
    ) -> Result<Committed<A>, CommandError<A::Error>> {
        let tail = self.tail(id)?;
        let incarnation = tail.ready().await?;
        let order = Order::new::<A>(id, context);
        let slot = self.slot(id).await;
        let run = Run { executor: self, tail, id, slot: &slot, order: &order, command: &command, prepare };
        if let Some(replayed) = run.replay().await? {
            return Ok(self.committed(id, replayed, incarnation));
        }
        let stored = run.carry_out().await?;
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

    async fn known(&self, id: &A::Id, slot: &Slot<A>) -> Result<Versioned<A>, EventStoreError> {
        if let Some(known) = slot.known() {
            return Ok(known);
        }
        let known = self.store.load(id, Freshness::AnyReplica).await?;
        slot.learn(known.clone());
        Ok(known)
    }
}

/// Keeps a state that is in memory as new as the log.
async fn observe<A: StoredAggregate>(slots: Cache<A::Id, Arc<Slot<A>>>, commit: RecordedCommit) {
    let Some(id) = A::changed_by(&commit.source) else { return };
    let Some(slot) = slots.get(&id).await else { return };
    if slot.known().is_some_and(|known| known.version >= commit.sequence) {
        return;
    }
    match commit.state::<A>(A::STATE_VERSION) {
        Some(state) => slot.learn(Versioned { state: Arc::new(state), version: commit.sequence }),
        // Sealed, or of a newer release: the next command reads it. Commands that are being carried out hold the slot,
        // so it has to stay the one from which all others learn.
        None => slot.forget_before(commit.sequence),
    }
}

/// One command that is being carried out.
struct Run<'a, 'p, A: StoredAggregate> {
    executor: &'a Executor<A>,
    tail: &'a Tail,
    id: &'a A::Id,
    slot: &'a Slot<A>,
    order: &'a Order,
    command: &'a A::Command,
    prepare: &'a Preparation<'p, A>,
}

impl<A: StoredAggregate> Run<'_, '_, A> {
    /// What this command did when it was carried out before.
    async fn replay(&self) -> Result<Option<Stored<A>>, EventStoreError> {
        let context = &self.order.context;
        if context.command_id.is_none() {
            return Ok(None);
        }
        let sequence = match self.tail.look_up(&self.order.message_id, context.request_hash).await? {
            Known::No => return Ok(None),
            Known::OtherRequest => return Err(EventStoreError::KeyReused),
            Known::Done(sequence) => sequence,
        };
        let store = &self.executor.store;
        let stream = A::stream(self.id, store.partitions());
        let recorded = match store.log().get(stream, sequence, Freshness::AnyReplica).await? {
            Some(recorded) => Some(recorded),
            None => store.log().get(stream, sequence, Freshness::Leader).await?,
        };
        let gone = || EventStoreError::Damaged { reason: format!("{stream} has lost {sequence}") };
        let commit = RecordedCommit::parse(&recorded.ok_or_else(gone)?)?;
        Stored::earlier(self.id, &commit).map(Some)
    }

    async fn carry_out(&self) -> Result<Stored<A>, CommandError<A::Error>> {
        let known = self.executor.known(self.id, self.slot).await?;
        let talks = match self.decide(&known).await {
            Decision::Events(events, _) => lane_of::<A>(&events) == Lane::Talk,
            Decision::Refused(_) => true,
        };
        // What does not change the state does not contend with others.
        let _turn = if talks { None } else { Some(self.turn().await) };
        self.decide_until_stored().await
    }

    async fn turn(&self) -> MutexGuard<'_, ()> {
        let _waiting = METRICS.wait();
        self.slot.queue.lock().await
    }

    async fn decide_until_stored(&self) -> Result<Stored<A>, CommandError<A::Error>> {
        let mut confirmed = None;
        for _ in 0..ATTEMPTS {
            let known = self.executor.known(self.id, self.slot).await?;
            let is_newest = confirmed.is_some_and(|version| known.version >= version);
            let refusal = match self.decide(&known).await {
                Decision::Events(events, loaded) if self.has_to_be_stored(&events) => {
                    match self.commit(events, loaded).await {
                        Ok(stored) => return Ok(stored),
                        Err(EventStoreError::Conflict) => {
                            METRICS.conflicts.inc();
                            None
                        }
                        Err(EventStoreError::NameTaken) => Some(A::claim_taken()),
                        Err(error) => return Err(error.into()),
                    }
                }
                Decision::Events(..) => Some(None),
                Decision::Refused(refusal) => Some(Some(refusal)),
            };
            match refusal {
                Some(Some(refusal)) if is_newest => return Err(CommandError::Refused(refusal)),
                Some(None) if is_newest => {
                    return Ok(Stored { sequence: known.version, events: vec![], replayed: false });
                }
                Some(_) => {}
                None => sleep(Duration::from_millis(rand::random_range(0..=5))).await,
            }
            // Into this slot: the cache may have another one by now.
            let newest = self.executor.store.load(self.id, Freshness::Leader).await?;
            let version = newest.version;
            self.slot.learn(newest);
            self.tail.reached(version).await?;
            if let Some(replayed) = self.replay().await? {
                return Ok(replayed);
            }
            confirmed = Some(version);
        }
        Err(CommandError::Contended)
    }

    async fn decide(&self, known: &Versioned<A>) -> Decision<A> {
        let mut loaded = Loaded::new(self.id.clone(), known);
        let sink = EventSink::default();
        match loaded.state.handle(self.command.clone(), &(), &sink).await {
            Ok(()) => Decision::Events(sink.collect().await, loaded),
            Err(refusal) => Decision::Refused(refusal),
        }
    }

    /// A keyed command that changes nothing is stored too, without events: a late repeat must not be decided again.
    fn has_to_be_stored(&self, events: &[A::Event]) -> bool {
        !events.is_empty() || self.order.context.command_id.is_some()
    }

    async fn commit(&self, events: Vec<A::Event>, loaded: Loaded<A>) -> Result<Stored<A>, EventStoreError> {
        let changes = lane_of::<A>(&events) == Lane::Room;
        (self.prepare)(&events).await?;
        let span = tracing::info_span!(target: "boxroom::trace", "append", otel.kind = "producer");
        let read = self.tail.sequence();
        let stored = self.executor.store.append(events, &loaded, self.order).instrument(span).await?;
        if !stored.replayed {
            self.tail.check_stored(read, stored.sequence)?;
        }
        if changes && !stored.replayed {
            self.slot.learn(Versioned { state: Arc::new(loaded.state), version: stored.sequence });
        }
        Ok(stored)
    }
}
