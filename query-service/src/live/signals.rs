//! Signals, which have no version and may be lost: presence and typing in rooms, exchanged between nodes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_nats::{Client, Subscriber, connection::State};
use domain::{MessageId, RoomId, UserId};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use service_kit::clock;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};
use wire::transient;

use super::{
    frames::{ServerFrame, Sign},
    presence::{Debounce, RemotePresence},
    send_queue::{LiveSignal, SendQueue},
};
use crate::metrics::METRICS;

/// The capacity of the queue of outgoing messages. When it is full, messages are dropped.
const QUEUE: usize = 4096;

/// The time during which changes of presence are combined for followers. Other nodes have answered by then.
const FOLLOWER_DEBOUNCE: Duration = Duration::from_millis(250);

/// The time during which changes of presence are combined for other nodes.
const NODE_DEBOUNCE: Duration = Duration::from_millis(50);

/// The delay before a lost subscription is made again.
const RETRY: Duration = Duration::from_secs(1);

/// The timeout for sending the last messages of a stopping process.
const SHUTDOWN_FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// The signals of this process's rooms. One per process.
pub(super) struct Signals {
    /// The id of this process.
    node: String,
    nats: Client,
    queue: mpsc::Sender<Outgoing>,
    rooms: Mutex<HashMap<RoomId, Arc<Room>>>,
}

enum Outgoing {
    NodeMessage(String, Vec<u8>),
    /// Answered when all earlier messages were sent.
    Flush(oneshot::Sender<()>),
}

/// A message about a room between nodes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum NodeMessage {
    /// The users who are connected at the node. With `ask`, the other nodes send theirs.
    Presence { node: String, users: BTreeSet<UserId>, ask: bool },
    /// The user is typing.
    Typing { node: String, user: UserId },
}

/// A room with followers at this node. Removed with the last one.
struct Room {
    id: RoomId,
    state: Mutex<RoomState>,
    /// Wakes the task when a message is due earlier than before.
    rescheduled: Notify,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct RoomState {
    followers: Vec<Follower>,
    remote: RemotePresence,
    /// The presence as it was sent to the followers.
    sent_presence: BTreeSet<UserId>,
    follower_timer: Debounce,
    node_timer: Debounce,
    /// True until the other nodes were asked for their presence.
    ask: bool,
}

struct Follower {
    user: UserId,
    send_queue: Arc<SendQueue>,
    /// True if it has not received the last presence.
    is_outdated: bool,
}

impl Signals {
    pub(super) fn start(nats: Client) -> Arc<Self> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        supervision::spawn("the sender of signals", send_all(nats.clone(), waiting));
        Arc::new(Self { node: clock::new_id().to_string(), nats, queue, rooms: Mutex::default() })
    }

    /// Adds a user who follows a room over a connection with this send queue.
    pub(super) fn enter(self: &Arc<Self>, room: &RoomId, user: &UserId, send_queue: &Arc<SendQueue>) {
        let mut rooms = self.rooms();
        let room = rooms.entry(room.clone()).or_insert_with(|| self.open(room));
        room.state().followers.push(Follower { user: user.clone(), send_queue: send_queue.clone(), is_outdated: true });
        room.schedule();
    }

    /// Removes the follower with this send queue from a room.
    pub(super) fn leave(&self, room: &RoomId, send_queue: &Arc<SendQueue>) {
        self.remove(room, |follower| Arc::ptr_eq(&follower.send_queue, send_queue));
    }

    /// Removes a user who is not a member any more, so that the user is neither shown nor sent anything.
    pub(super) fn remove_user(&self, room: &RoomId, user: &UserId) {
        if let Some(room) = self.rooms().get(room) {
            room.state().remote.remove_user(user);
        }
        self.remove(room, |follower| follower.user == *user);
    }

    /// Announces that a follower is typing, at most once in two seconds.
    pub(super) fn typing(&self, room: &RoomId, user: &UserId) {
        let Some(room) = self.rooms().get(room).cloned() else { return };
        if room.is_followed_by(user) && room.notify_typing(user) {
            self.publish(&room.id, &NodeMessage::Typing { node: self.node.clone(), user: user.clone() });
        }
    }

    /// Returns the users who follow a room at this node, or none without followers.
    pub(super) fn users(&self, room: &RoomId) -> Option<BTreeSet<UserId>> {
        let room = self.rooms().get(room).cloned()?;
        let state = room.state();
        Some(state.followers.iter().map(|follower| follower.user.clone()).collect())
    }

    /// Returns true if a room has followers at this node.
    pub(super) fn is_followed(&self, room: &RoomId) -> bool {
        self.rooms().contains_key(room)
    }

    /// Shows the followers how far members have read.
    pub(super) fn show_markers(&self, room: &RoomId, markers: BTreeMap<UserId, MessageId>) {
        let Some(room) = self.rooms().get(room).cloned() else { return };
        let signal = room.signal(Sign::Read { markers });
        for follower in &room.state().followers {
            follower.send_queue.signal(&signal);
        }
    }

    /// Waits until the last messages were sent, up to a timeout.
    pub(super) async fn flush(&self) {
        let (done, left) = oneshot::channel();
        let _ = timeout(SHUTDOWN_FLUSH_TIMEOUT, async {
            if self.queue.send(Outgoing::Flush(done)).await.is_ok() {
                let _ = left.await;
            }
        })
        .await;
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<RoomId, Arc<Room>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, id: &RoomId, is_removed: impl Fn(&Follower) -> bool) {
        let mut rooms = self.rooms();
        let Some(room) = rooms.get(id) else { return };
        let empty = {
            let mut state = room.state();
            state.followers.retain(|follower| !is_removed(follower));
            state.followers.is_empty()
        };
        if !empty {
            room.schedule();
        } else if let Some(room) = rooms.remove(id) {
            room.close();
            self.publish(id, &NodeMessage::Presence { node: self.node.clone(), users: BTreeSet::new(), ask: false });
        }
    }

    fn open(self: &Arc<Self>, id: &RoomId) -> Arc<Room> {
        let room = Arc::new(Room {
            id: id.clone(),
            state: Mutex::new(RoomState {
                followers: Vec::new(),
                remote: RemotePresence::default(),
                sent_presence: BTreeSet::new(),
                follower_timer: Debounce::new(FOLLOWER_DEBOUNCE),
                node_timer: Debounce::new(NODE_DEBOUNCE),
                ask: true,
            }),
            rescheduled: Notify::new(),
            task: Mutex::default(),
        });
        let task = tokio::spawn(self.clone().run_room(room.clone()));
        *room.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        room
    }

    /// Runs a room: receives messages of other nodes, notifies followers and announces the local presence.
    async fn run_room(self: Arc<Self>, room: Arc<Room>) {
        loop {
            if let Ok(mut messages) = self.nats.subscribe(transient::signal_room(&room.id)).await {
                while self.step(&room, &mut messages).await {}
            }
            sleep(RETRY).await;
        }
    }

    /// Waits for one event and handles it. Returns false if the subscription has ended.
    async fn step(&self, room: &Room, messages: &mut Subscriber) -> bool {
        let due = room.state().due();
        tokio::select! {
            message = messages.next() => match message {
                Some(message) => match serde_json::from_slice(&message.payload) {
                    Ok(message) => room.on_message(&self.node, message),
                    Err(error) => tracing::warn!(room.id = %room.id, %error, "malformed signal"),
                },
                None => return false,
            },
            () = room.rescheduled.notified() => {}
            () = sleep_until(due.unwrap_or_else(|| Instant::now() + RETRY)) => {
                if let Some((users, ask)) = room.on_timer(Instant::now()) {
                    self.publish(&room.id, &NodeMessage::Presence { node: self.node.clone(), users, ask });
                }
            }
        }
        true
    }

    fn publish(&self, room: &RoomId, message: &NodeMessage) {
        let payload = serde_json::to_vec(message).expect("a signal has a JSON form");
        if self.queue.try_send(Outgoing::NodeMessage(transient::signal_room(room), payload)).is_err() {
            METRICS.signals_dropped.inc();
            tracing::debug!(room.id = %room, "a signal was dropped: the queue to NATS is full");
        }
    }
}

async fn send_all(nats: Client, mut waiting: mpsc::Receiver<Outgoing>) {
    while let Some(outgoing) = waiting.recv().await {
        // Without a connection, the NATS client would keep the message and send it late.
        let connected = nats.connection_state() == State::Connected;
        match outgoing {
            Outgoing::NodeMessage(subject, payload) if connected => {
                let sent = nats.publish(subject, payload.into()).await;
                sent.unwrap_or_else(|error| tracing::debug!(%error, "a signal was lost"));
            }
            Outgoing::NodeMessage(..) => {}
            Outgoing::Flush(done) => {
                if connected {
                    let _ = nats.flush().await;
                }
                let _ = done.send(());
            }
        }
    }
}

impl Room {
    fn state(&self) -> MutexGuard<'_, RoomState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }

    fn is_followed_by(&self, user: &UserId) -> bool {
        self.state().followers.iter().any(|follower| follower.user == *user)
    }

    /// Schedules messages, because the local presence may have changed.
    fn schedule(&self) {
        let now = Instant::now();
        {
            let mut state = self.state();
            state.follower_timer.schedule(now);
            state.node_timer.schedule(now);
        }
        self.rescheduled.notify_one();
    }

    fn on_message(&self, node: &str, message: NodeMessage) {
        let now = Instant::now();
        match message {
            NodeMessage::Presence { node: other, users, ask } if other != node => {
                let mut state = self.state();
                state.remote.set_users(&other, users, now);
                if state.present() != state.sent_presence {
                    state.follower_timer.schedule(now);
                }
                if ask {
                    state.node_timer.schedule(now);
                }
            }
            NodeMessage::Typing { node: other, user } if other != node => {
                self.notify_typing(&user);
            }
            NodeMessage::Presence { .. } | NodeMessage::Typing { .. } => {}
        }
    }

    /// Notifies the other followers that a user is typing. Returns false if the last notification is too recent.
    fn notify_typing(&self, user: &UserId) -> bool {
        let mut state = self.state();
        if !state.remote.allow_typing(user, Instant::now()) {
            return false;
        }
        let signal = self.signal(Sign::Typing { user_id: user });
        for follower in state.followers.iter().filter(|follower| follower.user != *user) {
            follower.send_queue.signal(&signal);
        }
        true
    }

    fn signal(&self, sign: Sign<'_>) -> Arc<LiveSignal> {
        let frame = ServerFrame::Signal { room_id: &self.id, sign }.encode();
        Arc::new(LiveSignal { room: self.id.clone(), frame })
    }

    /// Sends the followers what is due. Returns the presence that is due to the other nodes.
    fn on_timer(&self, now: Instant) -> Option<(BTreeSet<UserId>, bool)> {
        let mut state = self.state();
        if state.remote.expire(now) {
            state.follower_timer.schedule(now);
        }
        if state.follower_timer.is_due(now) {
            self.send_presence(&mut state, now);
        }
        if !state.node_timer.is_due(now) {
            return None;
        }
        state.node_timer.sent_and_refresh(now);
        let ask = std::mem::replace(&mut state.ask, false);
        Some((state.followers.iter().map(|follower| follower.user.clone()).collect(), ask))
    }

    fn send_presence(&self, state: &mut RoomState, now: Instant) {
        state.follower_timer.sent(now);
        let present = state.present();
        let changed = present != state.sent_presence;
        let signal = self.signal(Sign::Presence { users: &present });
        for follower in state.followers.iter_mut().filter(|follower| changed || follower.is_outdated) {
            // A follower with a full queue gets it later.
            follower.is_outdated = !follower.send_queue.signal(&signal);
        }
        state.sent_presence = present;
        if state.followers.iter().any(|follower| follower.is_outdated) {
            state.follower_timer.schedule(now);
        }
    }
}

impl RoomState {
    fn present(&self) -> BTreeSet<UserId> {
        self.followers.iter().map(|follower| &follower.user).chain(self.remote.users()).cloned().collect()
    }

    /// Returns the time of the next due action.
    fn due(&self) -> Option<Instant> {
        [self.follower_timer.due(), self.node_timer.due(), self.remote.next_expiry()].into_iter().flatten().min()
    }
}
