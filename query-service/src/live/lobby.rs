//! The lobby: the open rooms of an area, sent as a whole and then as changes. One read per area and second serves all
//! connections that follow it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use async_nats::Client;
use axum::extract::ws::Utf8Bytes;
use serde::Deserialize;
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{frames::ServerFrame, lobby_area::LobbyArea, replay::Feeds, send_queue::SendQueue};
use crate::{
    error::Error,
    metrics::METRICS,
    rooms::find::{Filter, nearest, newest},
    views::{LobbyRoomView, RoomStatus, RoomView},
};

/// The interval between two reads of changed areas: the minimum time between two changes that a client receives.
const TICK: Duration = Duration::from_secs(1);

/// The interval between two reads of all areas without a cause, because notifications can be lost unnoticed.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

/// The maximum number of areas that this process follows.
const MAX_AREAS: usize = 2_000;

/// The maximum number of rooms of an area.
const MAX_ROOMS: i64 = 100;

/// A change of a room's public details, from a notification.
#[derive(Debug, Deserialize)]
pub(super) struct LobbyChange {
    zip_code: String,
    latitude: f64,
    longitude: f64,
}

/// The areas that connections of this process follow. One per process.
pub(super) struct Lobby {
    feeds: Feeds,
    areas: Mutex<HashMap<Arc<LobbyArea>, Followed>>,
    /// Wakes the reader when the first area is followed.
    subscribed: Notify,
}

/// An area with its followers. Removed with the last one.
#[derive(Default)]
struct Followed {
    /// The rooms as they were sent; none before the first read.
    rooms: Option<BTreeMap<String, LobbyRoomView>>,
    followers: Vec<Arc<SendQueue>>,
    is_stale: bool,
}

/// The subscription of a connection to an area. Ends when dropped.
pub(super) struct LobbySubscription {
    lobby: Arc<Lobby>,
    pub(super) area: Arc<LobbyArea>,
    send_queue: Arc<SendQueue>,
}

impl Drop for LobbySubscription {
    fn drop(&mut self) {
        let mut areas = self.lobby.areas();
        if let Some(followed) = areas.get_mut(&self.area) {
            followed.followers.retain(|follower| !Arc::ptr_eq(follower, &self.send_queue));
            if followed.followers.is_empty() {
                areas.remove(&self.area);
            }
        }
    }
}

impl Lobby {
    pub(super) fn start(nats: Client, feeds: Feeds) -> Arc<Self> {
        let lobby = Arc::new(Self { feeds, areas: Mutex::default(), subscribed: Notify::new() });
        supervision::spawn("the reader of the lobby", lobby.clone().read_stale(nats));
        lobby
    }

    /// Starts delivering an area to this send queue: the rooms once they are read, and then the changes. None if the
    /// process follows too many areas.
    pub(super) fn subscribe(
        self: &Arc<Self>,
        area: &Arc<LobbyArea>,
        send_queue: &Arc<SendQueue>,
    ) -> Option<LobbySubscription> {
        let mut areas = self.areas();
        if !areas.contains_key(area) && areas.len() >= MAX_AREAS {
            return None;
        }
        let followed = areas.entry(area.clone()).or_insert_with(|| Followed { is_stale: true, ..Followed::default() });
        if let Some(rooms) = &followed.rooms {
            send_queue.push_lobby(area, &whole(rooms));
        }
        followed.followers.push(send_queue.clone());
        self.subscribed.notify_one();
        Some(LobbySubscription { lobby: self.clone(), area: area.clone(), send_queue: send_queue.clone() })
    }

    fn areas(&self) -> MutexGuard<'_, HashMap<Arc<LobbyArea>, Followed>> {
        self.areas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks all areas as changed, because changes may have been missed.
    pub(super) fn mark_all_stale(&self) {
        self.areas().values_mut().for_each(|followed| followed.is_stale = true);
    }

    /// Marks the areas of changed rooms.
    pub(super) fn on_changes(&self, changes: &[LobbyChange]) {
        for (area, followed) in &mut *self.areas() {
            followed.is_stale |=
                changes.iter().any(|change| area.contains(&change.zip_code, change.latitude, change.longitude));
        }
    }

    /// Reads the areas that have changed or whose changes may have been missed.
    async fn read_stale(self: Arc<Self>, nats: Client) {
        let statistics = nats.statistics();
        let (mut connects, mut swept_at) = (0, Instant::now());
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if self.areas().is_empty() {
                self.subscribed.notified().await;
            }
            ticks.tick().await;
            let connects_now = statistics.connects.load(Ordering::Relaxed);
            if connects_now != connects || swept_at.elapsed() >= SWEEP_INTERVAL {
                self.mark_all_stale();
                (connects, swept_at) = (connects_now, Instant::now());
            }
            for area in self.take_stale() {
                if let Err(error) = self.read(&area).await {
                    tracing::debug!(%error, "cannot read the lobby");
                    self.areas().entry(area).and_modify(|followed| followed.is_stale = true);
                }
            }
        }
    }

    fn take_stale(&self) -> Vec<Arc<LobbyArea>> {
        let mut areas = self.areas();
        let stale =
            areas.iter_mut().filter_map(|(area, followed)| std::mem::take(&mut followed.is_stale).then_some(area));
        stale.cloned().collect()
    }

    async fn read(&self, area: &Arc<LobbyArea>) -> Result<(), Error> {
        METRICS.lobby_reads.inc();
        let rooms = {
            let (_permit, mut connection) = self.feeds.connection().await?;
            let (zip_code, around) = match &**area {
                LobbyArea::ZipCode(zip_code) => (Some(zip_code.as_str()), None),
                LobbyArea::Around { .. } => (None, area.around()),
            };
            // All followers of an area see the same rooms, so those of private boxes are not among them: no user has an
            // empty id.
            let filter = Filter { zip_code, store_id: None, viewer: Some("") };
            match around {
                Some(around) => nearest(&filter, around, None, MAX_ROOMS, &mut connection).await?,
                None => newest(&filter, Some(RoomStatus::Open), None, MAX_ROOMS, &mut connection).await?,
            }
        };
        let read = rooms.into_iter().map(|room| (room.room_id.clone(), room.into())).collect();
        if let Some(followed) = self.areas().get_mut(area) {
            followed.update(area, read);
        }
        Ok(())
    }
}

impl Followed {
    /// Replaces the rooms, and sends what has changed.
    fn update(&mut self, area: &Arc<LobbyArea>, read: BTreeMap<String, LobbyRoomView>) {
        let frame = match &self.rooms {
            None => whole(&read),
            Some(sent) => {
                let rooms: Vec<_> =
                    read.iter().filter(|(id, room)| sent.get(*id) != Some(*room)).map(|r| r.1).collect();
                let removed: Vec<_> = sent.keys().filter(|id| !read.contains_key(*id)).map(String::as_str).collect();
                if rooms.is_empty() && removed.is_empty() {
                    return;
                }
                ServerFrame::LobbyChanged { rooms, removed }.encode()
            }
        };
        for follower in &self.followers {
            follower.push_lobby(area, &frame);
        }
        self.rooms = Some(read);
    }
}

fn whole(rooms: &BTreeMap<String, LobbyRoomView>) -> Utf8Bytes {
    ServerFrame::Lobby { rooms: rooms.values().collect() }.encode()
}

impl From<RoomView> for LobbyRoomView {
    fn from(room: RoomView) -> Self {
        Self {
            is_full: room.member_count >= room.max_members,
            room_id: room.room_id,
            box_id: room.box_id,
            store_id: room.store_id,
            title: room.title,
            title_erased: room.title_erased,
            host: room.host,
            member_count: room.member_count,
            max_members: room.max_members,
            locked: room.locked,
            step: room.step,
            opened_at: room.opened_at,
            closes_at: room.closes_at,
        }
    }
}
