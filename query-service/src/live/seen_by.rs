//! Read markers that members of open rooms are shown: how far the others have read.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{MessageId, RoomId, UserId};
use sqlx::query;
use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval},
};

use super::{replay::Feeds, signals::Signals};
use crate::error::Error;

/// The minimum time between two signals about the markers of a room.
const INTERVAL: Duration = Duration::from_secs(1);

/// The maximum number of markers in one interval; further ones are not shown.
const MAX_MARKERS: usize = 5000;

/// The markers that have moved. One per process.
pub(super) struct SeenBy {
    feeds: Feeds,
    signals: Arc<Signals>,
    moved: Mutex<BTreeSet<(RoomId, UserId)>>,
    wake: Notify,
}

impl SeenBy {
    pub(super) fn start(feeds: Feeds, signals: Arc<Signals>) -> Arc<Self> {
        let seen_by = Arc::new(Self { feeds, signals, moved: Mutex::default(), wake: Notify::new() });
        supervision::spawn("the sender of read markers", seen_by.clone().send_moved());
        seen_by
    }

    /// Shows a user's marker to the followers of a room, if there are any.
    pub(super) fn on_moved(&self, room: &RoomId, user: &UserId) {
        if !self.signals.is_followed(room) {
            return;
        }
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        if moved.len() < MAX_MARKERS {
            moved.insert((room.clone(), user.clone()));
            self.wake.notify_one();
        }
    }

    async fn send_moved(self: Arc<Self>) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.wake.notified().await;
            ticks.tick().await;
            let moved = std::mem::take(&mut *self.moved.lock().unwrap_or_else(PoisonError::into_inner));
            match self.feeds.shown_markers(&moved).await {
                Ok(rooms) => {
                    for (room, markers) in rooms {
                        self.signals.show_markers(&room, markers);
                    }
                }
                Err(error) => tracing::debug!(%error, "cannot read the markers of members"),
            }
        }
    }
}

impl Feeds {
    /// Reads those of these markers that other members are shown: in open rooms, of members who share theirs.
    async fn shown_markers(
        &self,
        moved: &BTreeSet<(RoomId, UserId)>,
    ) -> Result<BTreeMap<RoomId, BTreeMap<UserId, MessageId>>, Error> {
        let boxes: Vec<String> = moved.iter().map(|(room, _)| room.box_id().to_string()).collect();
        let rooms: Vec<String> = moved.iter().map(|(room, _)| room.to_string()).collect();
        let users: Vec<String> = moved.iter().map(|(_, user)| user.to_string()).collect();
        let (_permit, mut connection) = self.connection().await?;
        let rows = query!(
            "
            select k.room_id, k.user_id, k.message_id
            from unnest($1::text[], $2::text[], $3::text[]) as moved (box_id, room_id, user_id)
            join rooms r on r.box_id = moved.box_id and r.room_id = moved.room_id and r.status = 'open'
            join members m
                on m.box_id = moved.box_id and m.room_id = moved.room_id and m.user_id = moved.user_id
                and m.standing = 'inside'
            join users u on u.user_id = moved.user_id and u.share_read_markers
            join read_markers k
                on k.box_id = moved.box_id and k.room_id = moved.room_id and k.user_id = moved.user_id
            ",
            &boxes,
            &rooms,
            &users,
        )
        .fetch_all(&mut *connection)
        .await?;
        let mut shown: BTreeMap<RoomId, BTreeMap<UserId, MessageId>> = BTreeMap::new();
        for row in rows {
            let (Ok(room), Ok(user)) = (row.room_id.parse(), row.user_id.parse()) else { continue };
            shown.entry(room).or_default().insert(user, MessageId::new(row.message_id.cast_unsigned()));
        }
        Ok(shown)
    }
}
