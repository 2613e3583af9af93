//! A client of server-sent events, as strict as a browser.

use std::sync::Arc;

use frame_check::FrameCheck;
use serde_json::Value;
use tokio::time::timeout;

use super::{
    watcher::about_own_rooms,
    world::{PATIENCE, World},
};

/// One stream of events. Every frame must match the service's description.
pub(super) struct Listener {
    check: Arc<FrameCheck>,
    response: reqwest::Response,
    text: String,
    /// The last id, as a browser would send it in `Last-Event-ID`.
    pub(super) last_id: String,
    /// The number of received comments.
    pub(super) comments: usize,
    /// The delay before a browser would reconnect.
    pub(super) retry_ms: Option<u64>,
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
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let check = world.check.clone();
        Self { check, response, text: String::new(), last_id: String::new(), comments: 0, retry_ms: None }
    }

    /// Returns the next frame except signals and frames about the user's own rooms, which may come at any time. None
    /// once the response has ended.
    pub(super) async fn try_next(&mut self) -> Option<Value> {
        loop {
            let frame = self.any().await?;
            if frame["type"] != "signal" && !about_own_rooms(&frame) {
                return Some(frame);
            }
        }
    }

    /// Returns the next frame of any type.
    pub(super) async fn raw(&mut self) -> Value {
        self.any().await.expect("ended")
    }

    /// Returns the next event's frame, whose type must be the event's name. None once the response has ended.
    pub(super) async fn any(&mut self) -> Option<Value> {
        loop {
            let block = self.block().await?;
            let (mut event, mut data) = (None, Vec::new());
            for line in block.lines() {
                match line.split_once(": ").unwrap_or((line, "")) {
                    ("id", id) => id.clone_into(&mut self.last_id),
                    ("event", name) => event = Some(name),
                    ("data", line) => data.push(line),
                    ("retry", ms) => self.retry_ms = Some(ms.parse().unwrap()),
                    (":", "") => self.comments += 1,
                    other => panic!("not a field: {other:?}"),
                }
            }
            if data.is_empty() {
                assert_eq!(event, None, "browsers ignore an event without data");
                continue;
            }
            let frame: Value = serde_json::from_str(&data.join("\n")).unwrap();
            self.check.server(&frame).unwrap();
            assert_eq!(event, frame["type"].as_str());
            assert_eq!(block.starts_with("id: "), frame["v"].is_i64(), "an id comes with a version only: {block}");
            return Some(frame);
        }
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

    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block = self.text[..end].to_owned();
                self.text.drain(..end + 2);
                return Some(block);
            }
            let chunk = timeout(PATIENCE, self.response.chunk()).await.expect("no event in time").unwrap()?;
            self.text += std::str::from_utf8(&chunk).unwrap();
        }
    }
}
