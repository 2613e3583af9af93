//! The connected users' own data, which does not depend on followed rooms: alarms, memberships and unread counts. It
//! comes from the projector's notifications, and from reads wherever notifications may have been missed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use async_nats::{Client, Message};
use domain::UserId;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use wire::notice;

use super::{
    alarms::Alarm,
    cursor::AlarmsFrom,
    listening::listen,
    replay::Feeds,
    seen::{Positions, Seen},
    send_queue::SendQueue,
};
use crate::{
    error::Error,
    generation::Generations,
    metrics::{METRICS, Queue},
};
use person::Person;
use present::{Present, Touched};

mod person;
mod present;

/// The interval between two checks whether alarms or rooms of users must be read.
const TICK: Duration = Duration::from_millis(250);

/// The interval between two reads for all users without a cause, because notifications can be lost unnoticed.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// The delay before a failed read is repeated.
const RETRY: Duration = Duration::from_secs(1);

/// The maximum number of users in one read.
const CHUNK: usize = 500;

/// The time that a new connection waits for its starting positions, and then for the subscription.
const JOIN_TIMEOUT: Duration = Duration::from_millis(500);

/// The users who are connected to this process. One per process.
pub(super) struct Users {
    nats: Client,
    generations: Generations,
    feeds: Feeds,
    present: Mutex<Present>,
    latest: tokio::sync::Mutex<Latest>,
}

/// The positions of the streams at the last read, and the start of that read.
#[derive(Default)]
struct Latest {
    begun_at: Option<Instant>,
    positions: Positions,
}

/// The registration of a connection for its user's data. Ends when dropped.
pub(super) struct Attention {
    users: Arc<Users>,
    user: UserId,
    send_queue: Arc<SendQueue>,
    /// The positions up to which the client has its alarms; none if not known yet.
    pub(super) alarms: Option<Positions>,
}

impl Drop for Attention {
    fn drop(&mut self) {
        self.users.present().leave(&self.user, &self.send_queue);
    }
}

impl Users {
    pub(super) fn start(nats: Client, generations: Generations, feeds: Feeds) -> Arc<Self> {
        let (present, latest) = (Mutex::default(), tokio::sync::Mutex::default());
        let users = Arc::new(Self { nats, generations, feeds, present, latest });
        supervision::spawn("the listener to changes of users", users.clone().listen());
        supervision::spawn("the watch of users", users.clone().look_after());
        users
    }

    /// Starts delivering a user's data to this send queue. Returns when the subscription was sent to the server.
    pub(super) async fn attend(
        self: &Arc<Self>,
        user: &UserId,
        send_queue: &Arc<SendQueue>,
        from: AlarmsFrom,
    ) -> Attention {
        let (seen, alarms) = match from {
            AlarmsFrom::After(positions) => (Seen::claimed(positions.clone()), Some(positions)),
            AlarmsFrom::Now | AlarmsFrom::Unknown => match timeout(JOIN_TIMEOUT, self.positions()).await {
                Ok(Ok(positions)) => (Seen::after(positions.clone()), Some(positions)),
                Ok(Err(_)) | Err(_) => (Seen::default(), None),
            },
        };
        let attention = Attention { users: self.clone(), user: user.clone(), send_queue: send_queue.clone(), alarms };
        let mut listening = self.present().join(user, send_queue, seen, |user| self.open(user));
        let _ = timeout(JOIN_TIMEOUT, listening.wait_for(|listening| *listening)).await;
        attention
    }

    /// Returns the positions of the streams. Callers that wait for a running read share the next one.
    async fn positions(&self) -> Result<Positions, Error> {
        let asked_at = Instant::now();
        let mut latest = self.latest.lock().await;
        if latest.begun_at.is_none_or(|begun_at| begun_at < asked_at) {
            let begun_at = Instant::now();
            latest.positions = self.feeds.positions().await?;
            latest.begun_at = Some(begun_at);
        }
        Ok(latest.positions.clone())
    }

    /// Returns the state of each connection's send queue, by user.
    pub(super) fn queues(&self) -> Vec<Vec<Queue>> {
        self.present().people().map(|person| person.queues()).collect()
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(self: &Arc<Self>, user: &UserId) -> Arc<Person> {
        let (announce, listening) = watch::channel(false);
        let person = Arc::new(Person::new(user.clone(), listening));
        person.set_listener(tokio::spawn(self.clone().listen_for(person.clone(), announce)));
        person
    }

    /// Delivers the notifications of one user's alarms.
    async fn listen_for(self: Arc<Self>, person: Arc<Person>, listening: watch::Sender<bool>) {
        let subject = |generation| notice::live_user(generation, person.id());
        let on_notification = |notice: &Message| match serde_json::from_slice::<Vec<Alarm>>(&notice.payload) {
            Ok(alarms) => alarms.iter().for_each(|alarm| person.tell(alarm)),
            Err(error) => tracing::warn!(user.id = %person.id(), %error, "malformed notification"),
        };
        let subscribed = || {
            self.present().mark_alarms_stale([person.id()], Instant::now());
            listening.send_replace(true);
        };
        listen(&self.nats, &self.generations, subject, subscribed, on_notification).await;
    }

    /// Receives the notifications of changed rooms.
    async fn listen(self: Arc<Self>) {
        let on_notification = |notice: &Message| match serde_json::from_slice::<Vec<Touched>>(&notice.payload) {
            Ok(touched) => self.present().touch(&touched, Instant::now()),
            Err(error) => tracing::warn!(%error, "malformed notification"),
        };
        let subscribed = || self.present().mark_all_stale(Instant::now());
        listen(&self.nats, &self.generations, notice::all_touched, subscribed, on_notification).await;
    }

    /// Reads the alarms and rooms that have changed or may have been missed.
    async fn look_after(self: Arc<Self>) {
        let statistics = self.nats.statistics();
        let (mut connects, mut swept_at) = (0, Instant::now());
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now = ticks.tick().await;
            let connects_now = statistics.connects.load(Ordering::Relaxed);
            if connects_now != connects || swept_at.elapsed() >= SWEEP_INTERVAL {
                self.present().mark_all_stale(now);
                (connects, swept_at) = (connects_now, now);
            }
            let doubtful = self.present().take_stale_alarms(now);
            if let Err(error) = self.read_alarms(&doubtful).await {
                tracing::debug!(%error, "cannot read alarms");
                self.present().mark_alarms_stale(doubtful.iter().map(|person| person.id()), now + RETRY);
            }
            let touched = self.present().take_stale_rooms(now);
            if let Err(error) = self.read_rooms(&touched).await {
                tracing::debug!(%error, "cannot read users' rooms");
                self.present().mark_rooms_stale(touched.iter().map(|person| person.id()), now + RETRY);
            }
        }
    }

    /// Sends the alarms that were not sent. Positions are read first, so that later alarms are sent all the same.
    async fn read_alarms(&self, people: &[Arc<Person>]) -> Result<(), Error> {
        if people.is_empty() {
            return Ok(());
        }
        METRICS.heal_reads.inc();
        let positions = self.positions().await?;
        for chunk in people.chunks(CHUNK) {
            let wanted = chunk.iter().filter_map(|person| Some((person.id(), person.floor(&positions)?)));
            let page = self.feeds.alarms(&wanted.collect::<Vec<_>>()).await?;
            let by_id: BTreeMap<&UserId, &Arc<Person>> = chunk.iter().map(|person| (person.id(), person)).collect();
            for (user, alarm) in &page.alarms {
                if let Some(person) = by_id.get(user) {
                    person.tell(alarm);
                }
            }
            for person in chunk {
                let mut reached = positions.clone();
                reached.extend(page.partial.get(person.id()).cloned().unwrap_or_default());
                person.complete(&reached);
            }
            self.present().mark_alarms_stale(page.partial.keys(), Instant::now());
        }
        Ok(())
    }

    /// Sends the changes of users' rooms.
    async fn read_rooms(&self, people: &[Arc<Person>]) -> Result<(), Error> {
        for chunk in people.chunks(CHUNK) {
            let known = chunk.iter().flat_map(|person| person.rooms().into_iter().map(|room| (person.id(), room)));
            let known: Vec<_> = known.collect();
            let users: Vec<_> = chunk.iter().map(|person| person.id()).collect();
            let mut found = self.feeds.my_rooms(&users, &known).await?;
            for person in chunk {
                let rooms = found.remove(person.id()).unwrap_or_default();
                self.present().tell_rooms(person, rooms);
            }
        }
        Ok(())
    }
}
