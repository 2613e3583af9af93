//! A client of server-sent events.

use std::ops::Deref;

use serde_json::Value;
use testing::EventStream;
use tokio::time::timeout;

use super::{
    watcher::{about_own_rooms, is_unread_alarms},
    world::{PATIENCE, World},
};

/// One stream of events.
pub(super) struct Listener(EventStream);

impl Deref for Listener {
    type Target = EventStream;

    fn deref(&self) -> &EventStream {
        &self.0
    }
}

impl Listener {
    /// Opens `/events` with this query for a user.
    pub(super) async fn open(world: &World, user: &str, query: &str) -> Self {
        let token = format!("Bearer {}", world.token(user));
        Self::with(world, query, &[("authorization", &token)]).await
    }

    /// Opens `/events` like a browser that reconnects automatically.
    pub(super) async fn reopen(world: &World, user: &str, query: &str, last_id: &str) -> Self {
        let token = format!("Bearer {}", world.token(user));
        Self::with(world, query, &[("authorization", &token), ("last-event-id", last_id)]).await
    }

    /// Opens `/events` with these headers.
    pub(super) async fn with(world: &World, query: &str, headers: &[(&'static str, &str)]) -> Self {
        let response = world.get_with(&format!("/events?{query}"), headers).await;
        Self(EventStream::of(response, world.check.clone()))
    }

    /// Returns the next frame except signals and frames about the user's own rooms, which may come at any time. None
    /// once the response has ended.
    pub(super) async fn try_next(&mut self) -> Option<Value> {
        loop {
            let frame = self.any().await?;
            if frame["type"] != "signal" && !about_own_rooms(&frame) && !is_unread_alarms(&frame) {
                return Some(frame);
            }
        }
    }

    /// Returns the next frame of any type.
    pub(super) async fn raw(&mut self) -> Value {
        self.any().await.expect("ended")
    }

    /// Returns the next frame of any type. None once the response has ended.
    pub(super) async fn any(&mut self) -> Option<Value> {
        timeout(PATIENCE, self.0.next()).await.expect("no event in time").unwrap()
    }

    /// Returns the next frame except signals.
    pub(super) async fn next(&mut self) -> Value {
        self.try_next().await.expect("ended")
    }

    /// Skips frames up to one of this type and returns it.
    pub(super) async fn until(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// Checks that the next frames are events with these versions.
    pub(super) async fn events(&mut self, versions: impl IntoIterator<Item = i64>) {
        for v in versions {
            let frame = self.next().await;
            assert_eq!(frame["v"], v, "{frame}");
        }
    }
}
