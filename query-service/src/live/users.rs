//! The connected users' own data, which does not depend on followed rooms: alarms, memberships and unread counts. It
//! comes from the projector's notifications, and from reads wherever notifications may have been missed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use async_nats::Client;
use domain::{Position, UserId};
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{
    alarms::{Alarm, AlarmItem},
    cursor::AlarmsFrom,
    replay::Feeds,
    seen_by::SeenBy,
    send_queue::SendQueue,
    sent_alarms::{Positions, SentAlarms},
};
use crate::{
    error::Error,
    metrics::{METRICS, Queue},
};
use connected_user::ConnectedUser;
use connected_users::ConnectedUsers;
pub(super) use connected_users::RoomChange;

mod connected_user;
mod connected_users;

/// The interval between two checks whether alarms or rooms of users must be read.
const TICK: Duration = Duration::from_millis(250);

/// The interval between two reads for all users without a cause, because notifications can be lost unnoticed.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// The delay before a failed read is repeated.
const RETRY: Duration = Duration::from_secs(1);

/// The maximum number of users in one read.
const CHUNK: usize = 500;

/// The time that a new connection waits for its starting positions.
const JOIN_TIMEOUT: Duration = Duration::from_millis(500);

/// The users who are connected to this process. One per process.
pub(super) struct Users {
    feeds: Feeds,
    /// None if no read markers are shown to other members.
    seen_by: Option<Arc<SeenBy>>,
    present: Mutex<ConnectedUsers>,
    /// Wakes the reader when the first user connects.
    connected: Notify,
    latest: tokio::sync::Mutex<Latest>,
}

/// The positions of the streams at the last read, and the start of that read.
#[derive(Default)]
struct Latest {
    started_at: Option<Instant>,
    checkpoints: Vec<Position>,
}

fn positions_of(checkpoints: &[Position]) -> Positions {
    checkpoints.iter().map(|at| (at.stream.clone(), at.sequence.cast_signed())).collect()
}

/// The registration of a connection for its user's data. Ends when dropped.
pub(super) struct UserRegistration {
    users: Arc<Users>,
    user: UserId,
    send_queue: Arc<SendQueue>,
    /// The positions up to which the client has its alarms; none if not known yet.
    pub(super) alarms: Option<Positions>,
}

impl Drop for UserRegistration {
    fn drop(&mut self) {
        self.users.present().leave(&self.user, &self.send_queue);
    }
}

impl Users {
    pub(super) fn start(nats: Client, feeds: Feeds, seen_by: Option<Arc<SeenBy>>) -> Arc<Self> {
        let (present, connected, latest) = (Mutex::default(), Notify::new(), tokio::sync::Mutex::default());
        let users = Arc::new(Self { feeds, seen_by, present, connected, latest });
        supervision::spawn("the watcher of users", users.clone().read_stale(nats));
        users
    }

    /// Starts delivering a user's data to this send queue.
    pub(super) async fn register(
        self: &Arc<Self>,
        user: &UserId,
        send_queue: &Arc<SendQueue>,
        from: AlarmsFrom,
    ) -> UserRegistration {
        let (seen, alarms) = match from {
            AlarmsFrom::After(positions) => (SentAlarms::claimed(positions.clone()), Some(positions)),
            AlarmsFrom::Now | AlarmsFrom::Unknown => match timeout(JOIN_TIMEOUT, self.checkpoints()).await {
                Ok(Ok(checkpoints)) => {
                    let positions = positions_of(&checkpoints);
                    (SentAlarms::after(positions.clone()), Some(positions))
                }
                Ok(Err(_)) | Err(_) => (SentAlarms::default(), None),
            },
        };
        let registration =
            UserRegistration { users: self.clone(), user: user.clone(), send_queue: send_queue.clone(), alarms };
        self.present().join(user, send_queue, seen);
        self.connected.notify_one();
        registration
    }

    /// Returns the positions of the streams. Callers that wait for a running read share the next one.
    async fn checkpoints(&self) -> Result<Vec<Position>, Error> {
        let requested_at = Instant::now();
        let mut latest = self.latest.lock().await;
        if latest.started_at.is_none_or(|started_at| started_at < requested_at) {
            let started_at = Instant::now();
            latest.checkpoints = self.feeds.checkpoints().await?;
            latest.started_at = Some(started_at);
        }
        Ok(latest.checkpoints.clone())
    }

    /// Returns the state of each connection's send queue, by user.
    pub(super) fn queues(&self) -> Vec<Vec<Queue>> {
        self.present().users().map(|connected_user| connected_user.queues()).collect()
    }

    fn present(&self) -> MutexGuard<'_, ConnectedUsers> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks all connections to check whether they may continue.
    pub(super) fn check_all(&self) {
        self.present().users().for_each(|connected_user| connected_user.check());
    }

    /// Delivers a change of an alarm.
    pub(super) fn on_alarm(&self, user: &UserId, alarm: Alarm) {
        let mut present = self.present();
        if let Some(connected_user) = present.get(user) {
            if connected_user.may_have_blocked(&alarm) {
                present.mark_alarms_stale([user], Instant::now());
                return;
            }
            connected_user.send_alarm(&AlarmItem::Alarm(alarm));
            present.schedule_unread_alarms(&connected_user, Instant::now());
        }
    }

    /// Schedules a read of a user's alarms, and of the users that the user has blocked.
    pub(super) fn on_stale_alarms(&self, user: &UserId) {
        let mut present = self.present();
        if present.get(user).is_some() {
            present.mark_alarms_stale([user], Instant::now());
        }
    }

    /// Applies changes of users' own view of rooms.
    pub(super) fn on_room_changes(&self, changes: Vec<RoomChange>) {
        if let Some(seen_by) = &self.seen_by {
            changes.iter().filter_map(RoomChange::marker).for_each(|(room, user)| seen_by.on_moved(room, user));
        }
        self.present().apply_changes(changes, Instant::now());
    }

    /// Forgets all unread counts, because facts may have been missed.
    pub(super) fn forget_counts(&self) {
        self.present().forget_counts(Instant::now());
    }

    /// Reads the alarms and rooms that have changed or may have been missed.
    async fn read_stale(self: Arc<Self>, nats: Client) {
        let statistics = nats.statistics();
        let (mut connects, mut swept_at) = (0, Instant::now());
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if self.present().is_empty() {
                self.connected.notified().await;
            }
            let now = ticks.tick().await;
            let connects_now = statistics.connects.load(Ordering::Relaxed);
            if connects_now != connects || swept_at.elapsed() >= SWEEP_INTERVAL {
                self.present().mark_all_stale(now);
                (connects, swept_at) = (connects_now, now);
            }
            self.present().send_due_counts(now);
            let stale = self.present().take_stale_alarms(now);
            if let Err(error) = self.read_alarms(&stale).await {
                tracing::debug!(%error, "cannot read alarms");
                self.present().mark_alarms_stale(stale.iter().map(|connected_user| connected_user.id()), now + RETRY);
            }
            let touched = self.present().take_stale_rooms(now);
            if let Err(error) = self.read_rooms(&touched).await {
                tracing::debug!(%error, "cannot read users' rooms");
                self.present().mark_rooms_stale(touched.iter().map(|connected_user| connected_user.id()), now + RETRY);
            }
        }
    }

    /// Sends the changes of alarms that were not sent, and the unread counts. Positions are read first, so that later
    /// alarms are sent all the same.
    async fn read_alarms(&self, users: &[Arc<ConnectedUser>]) -> Result<(), Error> {
        if users.is_empty() {
            return Ok(());
        }
        METRICS.recovery_reads.inc();
        for connected_user in users {
            connected_user.begin_read();
        }
        let checkpoints = self.checkpoints().await?;
        let positions = positions_of(&checkpoints);
        for chunk in users.chunks(CHUNK) {
            let wanted = chunk.iter().map(|connected_user| (connected_user.id(), connected_user.floor(&positions)));
            let mut page = self.feeds.alarms(&wanted.collect::<Vec<_>>()).await?;
            let by_id: BTreeMap<&UserId, &Arc<ConnectedUser>> =
                chunk.iter().map(|connected_user| (connected_user.id(), connected_user)).collect();
            for connected_user in chunk {
                let blocked = page.blocked.remove(connected_user.id().as_str());
                connected_user.set_blocked(blocked.unwrap_or_default());
            }
            for (user, item) in &page.items {
                if let Some(connected_user) = by_id.get(user) {
                    connected_user.send_alarm(item);
                }
            }
            for connected_user in chunk {
                let mut reached = positions.clone();
                reached.extend(page.partial.get(connected_user.id()).cloned().unwrap_or_default());
                if let Some(unread) = page.unread.get(connected_user.id().as_str()) {
                    let sequence = |stream: &str| reached.get(stream).copied().unwrap_or_default().cast_unsigned();
                    let complete = checkpoints.iter().cloned();
                    let complete = complete.map(|at| Position { sequence: sequence(&at.stream), ..at });
                    let up_to = unread.up_to(complete).map(|up_to| up_to.to_string());
                    connected_user.complete(&reached, unread, up_to.as_deref());
                }
            }
            self.present().mark_alarms_stale(page.partial.keys(), Instant::now());
        }
        Ok(())
    }

    /// Sends the changes of users' rooms.
    async fn read_rooms(&self, users: &[Arc<ConnectedUser>]) -> Result<(), Error> {
        for chunk in users.chunks(CHUNK) {
            let known = chunk
                .iter()
                .flat_map(|connected_user| connected_user.rooms().into_iter().map(|room| (connected_user.id(), room)));
            let known: Vec<_> = known.collect();
            let users: Vec<_> = chunk.iter().map(|connected_user| connected_user.id()).collect();
            let mut found = self.feeds.my_rooms(&users, &known).await?;
            for connected_user in chunk {
                let rooms = found.remove(connected_user.id()).unwrap_or_default();
                self.present().send_rooms(connected_user, rooms);
            }
        }
        Ok(())
    }
}
