//! What concerns one user alone, whichever rooms a connection follows: alarms, heard from the projector or read again.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::Client;
use chrono::{DateTime, Utc};
use domain::{RoomId, UserId, notice};
use serde::Deserialize;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{
    frames::ServerFrame,
    listening::listen,
    outbox::Outbox,
    replay::Feeds,
    seen::{Positions, Seen},
};
use crate::{error::Error, generation::Generations};

/// How often it is looked whether alarms have to be read.
const TICK: Duration = Duration::from_secs(1);

/// How often they are read without a reason: a notice can be lost without anybody noticing.
const READ_INTERVAL: Duration = Duration::from_secs(10);

/// Of how many users they are read at a time.
const CHUNK: usize = 500;

/// How long a new connection waits for the subscription to be on its way.
const JOIN_TIMEOUT: Duration = Duration::from_millis(500);

/// An alarm, in a notice or in the read model.
#[derive(Debug, Deserialize)]
pub(super) struct Alarm {
    pub(super) kind: String,
    pub(super) at: DateTime<Utc>,
    pub(super) room_id: RoomId,
    pub(super) message_id: Option<String>,
    pub(super) by: Option<UserId>,
    /// With `position` and `kind` what names an alarm of a user.
    pub(super) stream: String,
    pub(super) position: i64,
}

/// The users who are connected to this process. One for the process.
pub(super) struct Users {
    nats: Client,
    generations: Generations,
    connected: Mutex<HashMap<UserId, Arc<Person>>>,
    /// Alarms must be read soon: a subscription is new, and what happened just before it may be missing.
    uncertain: AtomicBool,
}

/// A connected user; goes away with the last connection.
struct Person {
    id: UserId,
    state: Mutex<PersonState>,
    listening: watch::Receiver<bool>,
    listener: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct PersonState {
    outboxes: Vec<Arc<Outbox>>,
    seen: Seen,
}

/// A connection's share in its user's alarms; none come any more when it is dropped.
pub(super) struct Attention {
    users: Arc<Users>,
    user: UserId,
    outbox: Arc<Outbox>,
}

impl Drop for Attention {
    fn drop(&mut self) {
        let mut connected = self.users.connected();
        let Some(person) = connected.get(&self.user) else { return };
        let empty = {
            let mut state = person.state();
            state.outboxes.retain(|outbox| !Arc::ptr_eq(outbox, &self.outbox));
            state.outboxes.is_empty()
        };
        if empty && let Some(person) = connected.remove(&self.user) {
            person.close();
        }
    }
}

impl Users {
    pub(super) fn start(nats: Client, generations: Generations, feeds: Feeds) -> Arc<Self> {
        let uncertain = AtomicBool::new(false);
        let users = Arc::new(Self { nats, generations, connected: Mutex::default(), uncertain });
        tokio::spawn(users.clone().heal(feeds));
        users
    }

    /// Delivers a user's alarms to this outbox from now on; returns when the subscription is on its way.
    pub(super) async fn attend(self: &Arc<Self>, user: &UserId, outbox: &Arc<Outbox>) -> Attention {
        let attention = Attention { users: self.clone(), user: user.clone(), outbox: outbox.clone() };
        let mut listening = {
            let mut connected = self.connected();
            let person = connected.entry(user.clone()).or_insert_with(|| self.open(user));
            person.state().outboxes.push(outbox.clone());
            person.listening.clone()
        };
        let _ = timeout(JOIN_TIMEOUT, listening.wait_for(|listening| *listening)).await;
        attention
    }

    fn connected(&self) -> MutexGuard<'_, HashMap<UserId, Arc<Person>>> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(self: &Arc<Self>, user: &UserId) -> Arc<Person> {
        let (announce, listening) = watch::channel(false);
        let person =
            Arc::new(Person { id: user.clone(), state: Mutex::default(), listening, listener: Mutex::default() });
        let listener = tokio::spawn(self.clone().listen(person.clone(), announce));
        *person.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
        person
    }

    /// Hears what the projector says to one user.
    async fn listen(self: Arc<Self>, person: Arc<Person>, listening: watch::Sender<bool>) {
        let subject = |generation| notice::live_user(generation, &person.id);
        let hear = |payload: &[u8]| match serde_json::from_slice::<Vec<Alarm>>(payload) {
            Ok(alarms) => alarms.into_iter().for_each(|alarm| person.tell(alarm)),
            Err(error) => tracing::warn!(user.id = %person.id, %error, "a notice cannot be read"),
        };
        let subscribed = || {
            self.uncertain.store(true, Ordering::Relaxed);
            listening.send_replace(true);
        };
        listen(&self.nats, &self.generations, subject, subscribed, hear).await;
    }

    /// Reads alarms whenever something may have been lost.
    async fn heal(self: Arc<Self>, feeds: Feeds) {
        let statistics = self.nats.statistics();
        let (mut connects, mut read) = (0, Instant::now());
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let connects_now = statistics.connects.load(Ordering::Relaxed);
            let uncertain = self.uncertain.swap(false, Ordering::Relaxed);
            if !uncertain && connects_now == connects && read.elapsed() < READ_INTERVAL {
                continue;
            }
            match self.read(&feeds).await {
                Ok(()) => (connects, read) = (connects_now, Instant::now()),
                Err(error) => {
                    tracing::debug!(%error, "cannot read alarms");
                    self.uncertain.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    /// Tells what has not been told. Positions come first: what the alarms hold beyond them is told all the same.
    async fn read(&self, feeds: &Feeds) -> Result<(), Error> {
        let people: Vec<Arc<Person>> = self.connected().values().cloned().collect();
        if people.is_empty() {
            return Ok(());
        }
        let positions = feeds.positions().await?;
        let partitions = u16::try_from(positions.len()).unwrap_or(u16::MAX);
        for chunk in people.chunks(CHUNK) {
            let wanted: Vec<_> = chunk.iter().filter_map(|person| Some((&person.id, person.floor()?))).collect();
            if !wanted.is_empty() {
                for (user, alarm) in feeds.alarms(&wanted, partitions).await? {
                    let person = self.connected().get(&user).cloned();
                    if let Some(person) = person {
                        person.tell(alarm);
                    }
                }
            }
            for person in chunk {
                person.complete(&positions);
            }
        }
        Ok(())
    }
}

impl Person {
    fn state(&self) -> MutexGuard<'_, PersonState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        if let Some(listener) = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take() {
            listener.abort();
        }
    }

    fn floor(&self) -> Option<i64> {
        self.state().seen.floor()
    }

    fn complete(&self, positions: &Positions) {
        self.state().seen.complete(positions);
    }

    /// Tells every connection of the user, unless that was done.
    fn tell(&self, alarm: Alarm) {
        let Alarm { kind, at, room_id, message_id, by, stream, position } = alarm;
        let mut state = self.state();
        if !state.seen.is_news((stream, position, kind.clone())) {
            return;
        }
        let frame = ServerFrame::Alarm { kind: &kind, at, room: &room_id, message_id, by: by.as_ref() }.encode();
        for outbox in &state.outboxes {
            outbox.alarm(&frame);
        }
    }
}
