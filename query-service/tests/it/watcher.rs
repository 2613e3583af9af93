//! A client of the live protocol.

use std::sync::Arc;

use frame_check::FrameCheck;
use serde_json::{Value, json};
use testing::{LiveClient, live::Ended};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::world::PATIENCE;

/// One live connection.
pub(super) struct Watcher(LiveClient);

impl Watcher {
    pub(super) async fn connect(url: &str, check: Arc<FrameCheck>) -> Self {
        Self(LiveClient::connect(url, check).await)
    }

    /// Sends a valid frame.
    pub(super) async fn say(&mut self, frame: Value) {
        self.0.send(&frame).await;
    }

    pub(super) async fn say_text(&mut self, text: &str) {
        self.send(Message::text(text)).await.unwrap();
    }

    /// Sends any message.
    pub(super) async fn send(&mut self, message: Message) -> Result<(), Error> {
        self.0.send_message(message).await
    }

    /// Sends a frame on a connection that may have ended.
    pub(super) async fn try_say(&mut self, frame: Value) -> Result<(), Error> {
        self.send(Message::text(frame.to_string())).await
    }

    /// Returns the next frame except signals, which may come at any time.
    pub(super) async fn next(&mut self) -> Value {
        loop {
            let frame = self.any().await;
            if frame["type"] != "signal" {
                return frame;
            }
        }
    }

    /// Returns the next signal of a kind.
    pub(super) async fn signal(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.any().await;
            if frame["type"] == "signal" && frame["kind"] == kind {
                return frame;
            }
        }
    }

    /// Waits until exactly these users are present in the room.
    pub(super) async fn present(&mut self, users: &[&str]) {
        while self.signal("presence").await["users"] != json!(users) {}
    }

    /// Returns the next frame about the user's own rooms, which may come at any time.
    pub(super) async fn mine(&mut self) -> Value {
        loop {
            let frame = self.frame().await;
            if about_own_rooms(&frame) {
                return frame;
            }
        }
    }

    /// Returns the next number of unread alarms, with its token.
    pub(super) async fn unread_alarms(&mut self) -> Value {
        loop {
            let frame = self.frame().await;
            if is_unread_alarms(&frame) {
                return frame;
            }
        }
    }

    /// Returns the next frame that is neither about the user's own rooms nor the number of unread alarms.
    pub(super) async fn any(&mut self) -> Value {
        loop {
            let frame = self.frame().await;
            if !about_own_rooms(&frame) && !is_unread_alarms(&frame) {
                return frame;
            }
        }
    }

    async fn frame(&mut self) -> Value {
        self.received().await.unwrap_or_else(|ended| panic!("not a frame: {ended:?}"))
    }

    /// Waits until the connection ends without a bye.
    pub(super) async fn broken(&mut self) {
        loop {
            match self.received().await {
                Ok(frame) => assert!(!frame.to_string().contains("bye"), "{frame}"),
                Err(Ended::Closed(Some(close))) => panic!("closed with {close}"),
                Err(Ended::Closed(None)) => {}
                Err(Ended::Broken(_)) => return,
            }
        }
    }

    /// Returns version and type of the next event. Skips pings.
    pub(super) async fn event(&mut self) -> (i64, String) {
        let mut frame = self.next().await;
        while frame["type"] == "ping" {
            frame = self.next().await;
        }
        let v = frame["v"].as_i64().unwrap_or_else(|| panic!("not an event: {frame}"));
        (v, frame["type"].as_str().unwrap().to_owned())
    }

    /// Checks the versions of the next events. Skips pings.
    pub(super) async fn events(&mut self, versions: impl IntoIterator<Item = i64>) {
        for v in versions {
            assert_eq!(self.event().await.0, v);
        }
    }

    /// Returns code and reason of the bye, and checks that the close frame has the same.
    pub(super) async fn bye(&mut self) -> (u64, String) {
        let bye = self.next().await;
        assert_eq!(bye["type"], "bye", "{bye}");
        let (code, reason) = (bye["code"].as_u64().unwrap(), bye["reason"].as_str().unwrap().to_owned());
        assert_eq!(bye["retry_ms"].is_null(), code / 100 == 43, "when to come back, unless never: {bye}");
        let Err(Ended::Closed(Some(close))) = self.received().await else { panic!("not closed after {bye}") };
        assert_eq!((u64::from(u16::from(close.code)), close.reason.as_str()), (code, reason.as_str()));
        (code, reason)
    }

    async fn received(&mut self) -> Result<Value, Ended> {
        timeout(PATIENCE, self.0.next()).await.expect("no frame in time")
    }
}

/// Returns true if a frame is the number of unread alarms, which may come at any time.
pub(super) fn is_unread_alarms(frame: &Value) -> bool {
    frame["type"] == "alarms"
}

/// Returns true if a frame is about the user's own rooms.
pub(super) fn about_own_rooms(frame: &Value) -> bool {
    ["my_rooms", "membership", "unread"].iter().any(|kind| frame["type"] == *kind)
}
