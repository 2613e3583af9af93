//! The talk states: the changes of messages in open rooms, as commands on messages need them.
//!
//! The state of a room is loaded from the log by the first command that needs it. From then on the tail keeps it fresh.
//! Rooms without such commands cost nothing.

mod room;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{BoxId, DeliveryBox, Lane, MessageId, RoomId};
use moka::{policy::EvictionPolicy, sync::Cache};
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};
use wire::{Source, StreamName};

use self::room::{MessageTalk, RoomTalk, TalkChange, changes};
use crate::{
    codec::envelope::RecordedCommit,
    executor::{aggregate::StoredAggregate, error::EventStoreError},
    log::{Freshness, Log, Range},
};

/// The limit of the states in memory, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// The longest time that a command waits for a state. The load goes on, and serves the repeat of the command.
const WAIT_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest time of a load.
const LOAD_TIMEOUT: Duration = Duration::from_mins(1);

/// The maximum number of rooms that are loaded at the same time.
const MAX_LOADS: usize = 4;

/// The number of messages in one read of a load.
const PAGE: usize = 1000;

/// The talk states of a process.
#[derive(Clone)]
pub(crate) struct TalkStates {
    log: Arc<dyn Log>,
    partitions: u16,
    /// All changes are made under this lock, so that none is lost between the end of a load and the tail.
    rooms: Arc<Mutex<Rooms>>,
    loads: Arc<Semaphore>,
}

struct Rooms {
    /// The loaded states, by box: only its last room accepts commands.
    loaded: Cache<BoxId, Arc<Mutex<RoomTalk>>>,
    loading: HashMap<BoxId, Load>,
}

/// A load in progress.
struct Load {
    room_id: RoomId,
    /// The changes that the tail has read since the beginning of the load.
    later: Vec<(u64, TalkChange)>,
    outcome: watch::Receiver<Option<Outcome>>,
}

type Outcome = Result<Arc<Mutex<RoomTalk>>, String>;

impl TalkStates {
    pub(crate) fn new(log: &Arc<dyn Log>, partitions: u16) -> Self {
        Self::with_capacity(log, partitions, MAX_BYTES)
    }

    fn with_capacity(log: &Arc<dyn Log>, partitions: u16, bytes: u64) -> Self {
        let loaded = Cache::builder()
            .max_capacity(bytes)
            .eviction_policy(EvictionPolicy::lru())
            .weigher(|_: &BoxId, room: &Arc<Mutex<RoomTalk>>| locked(room).weigh())
            .build();
        // Texts are not part of the states, so nothing needs to be decrypted.
        let log = log.as_stored().unwrap_or_else(|| log.clone());
        let rooms = Arc::new(Mutex::new(Rooms { loaded, loading: HashMap::new() }));
        Self { log, partitions, rooms, loads: Arc::new(Semaphore::new(MAX_LOADS)) }
    }

    /// Returns the changes of a message of an open room. They include all commits that the tail has read.
    pub(crate) async fn message(&self, room_id: &RoomId, message: MessageId) -> Result<MessageTalk, EventStoreError> {
        let mut outcome = {
            let mut rooms = locked(&self.rooms);
            if let Some(room) = rooms.get(room_id) {
                return Ok(locked(&room).message(message));
            }
            // A load that has ended without an outcome is not waited for.
            let is_current = |load: &&Load| load.room_id == *room_id && load.outcome.has_changed().is_ok();
            match rooms.loading.get(room_id.box_id()).filter(is_current) {
                Some(load) => load.outcome.clone(),
                None => self.start_load(&mut rooms, room_id),
            }
        };
        let loaded = timeout(WAIT_TIMEOUT, outcome.wait_for(Option::is_some)).await;
        match loaded.map(|outcome| outcome.ok().and_then(|outcome| outcome.clone())) {
            Ok(Some(Ok(room))) => Ok(locked(&room).message(message)),
            Ok(Some(Err(reason))) => Err(EventStoreError::unavailable(reason)),
            Ok(None) => Err(EventStoreError::unavailable("the load of a talk state was stopped".to_owned())),
            Err(_) => Err(EventStoreError::unavailable(format!("the talk state of {room_id} is being loaded"))),
        }
    }

    /// Returns the last sequence on a talk lane, from the leader.
    pub(crate) async fn last_sequence(&self, stream: StreamName, talk: &str) -> Result<u64, EventStoreError> {
        Ok(self.log.last(stream, talk, Freshness::Leader).await?.map_or(0, |last| last.sequence))
    }

    /// Applies a commit of the tail.
    pub(crate) fn observe(&self, commit: &RecordedCommit) {
        match &commit.source {
            Source::Talk { box_id } => self.change(box_id, commit),
            Source::Room { box_id } => self.forget_closed(box_id, commit),
            Source::User { .. }
            | Source::Claim
            | Source::Store { .. }
            | Source::Filters
            | Source::Report { .. }
            | Source::Mark { .. } => {}
        }
    }

    /// Drops all states. Those being loaded are not kept.
    pub(crate) fn clear(&self) {
        let mut rooms = locked(&self.rooms);
        rooms.loaded.invalidate_all();
        rooms.loading.clear();
    }

    fn change(&self, box_id: &BoxId, commit: &RecordedCommit) {
        let mut rooms = locked(&self.rooms);
        let room = rooms.loaded.get(box_id);
        if room.is_none() && !rooms.loading.contains_key(box_id) {
            return;
        }
        let changes = changes(&commit.payload);
        if let Some(room) = room {
            let is_heavier = {
                let mut room = locked(&room);
                for change in &changes {
                    room.apply(commit.sequence, change);
                }
                room.has_outgrown_weight()
            };
            if is_heavier {
                rooms.loaded.insert(box_id.clone(), room);
            }
        }
        if let Some(load) = rooms.loading.get_mut(box_id) {
            load.later.extend(changes.into_iter().map(|change| (commit.sequence, change)));
        }
    }

    fn forget_closed(&self, box_id: &BoxId, commit: &RecordedCommit) {
        let rooms = locked(&self.rooms);
        let Some(room) = rooms.loaded.get(box_id) else { return };
        let state = DeliveryBox::stored_state(commit);
        let is_open =
            |state: &DeliveryBox| state.last_room(&locked(&room).room_id).is_some_and(|room| !room.is_closed());
        if !state.is_some_and(|state| is_open(&state)) {
            rooms.loaded.invalidate(box_id);
        }
    }

    fn start_load(&self, rooms: &mut Rooms, room_id: &RoomId) -> watch::Receiver<Option<Outcome>> {
        let (report, outcome) = watch::channel(None);
        let load = Load { room_id: room_id.clone(), later: Vec::new(), outcome: outcome.clone() };
        rooms.loading.insert(room_id.box_id().clone(), load);
        let (states, room_id) = (self.clone(), room_id.clone());
        tokio::spawn(async move {
            let read = timeout(LOAD_TIMEOUT, states.read(&room_id)).await;
            let read = read.unwrap_or_else(|_| Err(EventStoreError::unavailable("the log is slow".to_owned())));
            let outcome = states.end_load(&room_id, &report, read);
            // There may be no receivers any more.
            let _ = report.send(Some(outcome));
        });
        outcome
    }

    /// Keeps the state that was read, with the changes since.
    fn end_load(
        &self,
        room_id: &RoomId,
        report: &watch::Sender<Option<Outcome>>,
        read: Result<RoomTalk, EventStoreError>,
    ) -> Outcome {
        let mut rooms = locked(&self.rooms);
        let is_own =
            rooms.loading.get(room_id.box_id()).is_some_and(|load| load.outcome.same_channel(&report.subscribe()));
        let load = is_own.then(|| rooms.loading.remove(room_id.box_id())).flatten();
        let load = load.ok_or_else(|| "the load of a talk state was stopped".to_owned())?;
        let mut room = read.map_err(|error| error.to_string())?;
        load.later.iter().for_each(|(sequence, change)| room.apply(*sequence, change));
        let room = Arc::new(Mutex::new(room));
        rooms.loaded.insert(room_id.box_id().clone(), room.clone());
        Ok(room)
    }

    /// Reads the state of a room up to the leader's last commit.
    async fn read(&self, room_id: &RoomId) -> Result<RoomTalk, EventStoreError> {
        let _permit = self.loads.acquire().await;
        let stream = DeliveryBox::stream(room_id.box_id(), self.partitions);
        let talk = DeliveryBox::subject(room_id.box_id(), Lane::Talk, self.partitions);
        let last = self.last_sequence(stream, &talk).await?;
        let mut room = RoomTalk::new(room_id.clone());
        let mut from = self.opening(stream, room_id, last).await?;
        while from <= last {
            let range = Range { stream, from, subject: Some(&talk), max_messages: PAGE, max_bytes: 4 << 20 };
            let page = self.log.read(range).await?;
            let Some(end) = page.last().map(|recorded| recorded.sequence) else {
                return Err(EventStoreError::unavailable("a replica is behind".into()));
            };
            for recorded in &page {
                for change in changes(&recorded.payload) {
                    room.apply(recorded.sequence, &change);
                }
            }
            from = end + 1;
        }
        Ok(room)
    }

    /// Returns a sequence after the last commit of the previous room's time and not after the opening of this room. The
    /// numbers of the rooms in the box's states increase, so it is found by bisection.
    async fn opening(&self, stream: StreamName, room_id: &RoomId, last: u64) -> Result<u64, EventStoreError> {
        let lane = DeliveryBox::subject(room_id.box_id(), Lane::Room, self.partitions);
        let (mut from, mut to) = (1, last + 1);
        while from < to {
            let middle = from + (to - from) / 2;
            let range = Range { stream, from: middle, subject: Some(&lane), max_messages: 1, max_bytes: 1 };
            let is_earlier = match self.log.read(range).await?.first() {
                Some(recorded) => {
                    let commit = RecordedCommit::parse(recorded)?;
                    let state = DeliveryBox::stored_state(&commit);
                    // A state of another release counts as later: the load then reads more than it needs.
                    state
                        .is_some_and(|state| state.room().is_none_or(|room| room.room_id().number() < room_id.number()))
                }
                None => false,
            };
            (from, to) = if is_earlier { (middle + 1, to) } else { (from, middle) };
        }
        Ok(from)
    }
}

impl Rooms {
    /// Returns the loaded state of a room. Drops that of an earlier room of the box.
    fn get(&mut self, room_id: &RoomId) -> Option<Arc<Mutex<RoomTalk>>> {
        let room = self.loaded.get(room_id.box_id())?;
        if locked(&room).room_id == *room_id {
            return Some(room);
        }
        self.loaded.invalidate(room_id.box_id());
        None
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
