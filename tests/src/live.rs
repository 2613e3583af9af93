//! A live connection that keeps every frame, and requires that no version is missing or repeated.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use testing::{LiveClient, live::Ended, wait::TIMEOUT};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::frames::check;

/// A live connection.
#[derive(Debug)]
pub struct Live {
    client: LiveClient,
    frames: Vec<Value>,
    /// The last version of each room that has arrived or that a subscription started from.
    versions: BTreeMap<String, u64>,
}

impl Live {
    /// Connects to a query-service's address. Sends no frame yet.
    pub async fn connect(query_url: &str) -> Self {
        Self::connect_with(LiveClient::connect(query_url, check(query_url).await).await)
    }

    /// Connects with a small receive buffer, so that little data is in transit to a client that does not read.
    pub async fn connect_narrow(query_url: &str) -> Self {
        Self::connect_with(LiveClient::connect_narrow(query_url, check(query_url).await).await)
    }

    fn connect_with(client: LiveClient) -> Self {
        Self { client, frames: Vec::new(), versions: BTreeMap::new() }
    }

    /// Sends a hello and subscribes to rooms, after a version or from now on. Returns the welcome.
    pub async fn hello(&mut self, token: &str, rooms: &[(&str, Option<u64>)]) -> Value {
        let mut wanted = Vec::new();
        for (room, v) in rooms {
            self.expect_after(room, *v);
            wanted.push(match v {
                Some(v) => json!({ "room_id": room, "v": v }),
                None => json!({ "room_id": room }),
            });
        }
        self.send(&json!({ "type": "hello", "token": token, "rooms": wanted })).await;
        self.until("welcome", |frame| frame["type"] == "welcome").await
    }

    /// Subscribes to a room, after a version or from now on.
    pub async fn subscribe(&mut self, id: &str, room: &str, v: Option<u64>) {
        self.expect_after(room, v);
        let mut frame = json!({ "type": "subscribe", "id": id, "room_id": room });
        if let Some(v) = v {
            frame["v"] = v.into();
        }
        self.send(&frame).await;
    }

    /// Expects the events of a room after this version, or from now on. The test subscribes to the room by other means.
    pub fn expect_after(&mut self, room: &str, v: Option<u64>) {
        match v {
            Some(v) => self.versions.insert(room.to_owned(), v),
            None => self.versions.remove(room),
        };
    }

    /// The types of all frames that a client may send.
    pub fn client_frames(&self) -> impl Iterator<Item = &str> {
        self.client.check().client_examples().filter_map(|frame| frame["type"].as_str())
    }

    /// Sends a valid frame.
    pub async fn send(&mut self, frame: &Value) {
        self.client.send(frame).await;
    }

    /// Sends any message.
    pub async fn send_message(&mut self, message: Message) {
        self.client.send_message(message).await.unwrap_or_else(|error| panic!("cannot send: {error}"));
    }

    /// Returns the next frame, or the end of the connection.
    pub async fn next(&mut self) -> Result<Value, Ended> {
        let frame = self.client.next().await?;
        Ok(self.record(frame))
    }

    fn record(&mut self, frame: Value) -> Value {
        let room = frame["room_id"].as_str().map(str::to_owned);
        match (frame["type"].as_str(), room) {
            (Some("subscribed"), Some(room)) => {
                let head = frame["head_v"].as_u64().unwrap_or_else(|| panic!("{frame} has no head_v"));
                self.versions.entry(room).or_insert(head);
            }
            // The only reset that tests need not expect: it skips the events that a former member may not read.
            (Some("reset"), Some(room)) if frame["reason"] == "no-longer-inside" => {
                self.versions.insert(room, frame["head_v"].as_u64().unwrap_or_default());
            }
            (Some(_), Some(room)) if frame["v"].is_u64() => {
                let v = frame["v"].as_u64().unwrap_or_default();
                let last = self.versions.get(&room).copied();
                assert_eq!(last.map(|last| last + 1), Some(v), "not the next version of {room}: {frame}");
                self.versions.insert(room, v);
            }
            _ => {}
        }
        self.frames.push(frame.clone());
        frame
    }

    /// Reads until a frame matches, and returns it.
    pub async fn until(&mut self, what: &str, matches: impl Fn(&Value) -> bool) -> Value {
        let search = async {
            loop {
                match self.next().await {
                    Ok(frame) if matches(&frame) => return frame,
                    Ok(_) => {}
                    Err(ended) => panic!("the connection ended before {what}: {ended:?}"),
                }
            }
        };
        let found = timeout(TIMEOUT, search).await;
        found.unwrap_or_else(|_| panic!("no {what} within {TIMEOUT:?}; the last frames: {:#?}", self.last_frames()))
    }

    fn last_frames(&self) -> &[Value] {
        &self.frames[self.frames.len().saturating_sub(8)..]
    }

    /// Reads until the subscription to this room is confirmed.
    pub async fn subscribed(&mut self, room: &str) -> Value {
        self.until("subscription", |frame| frame["type"] == "subscribed" && frame["room_id"] == room).await
    }

    /// Reads until an event of this name in a room.
    pub async fn event(&mut self, room: &str, name: &str) -> Value {
        self.until(name, |frame| is_event(frame, room) && frame["type"] == name).await
    }

    /// Reads until this version of a room.
    pub async fn until_version(&mut self, room: &str, v: u64) {
        if self.version(room) < v {
            self.until(&format!("version {v}"), |frame| is_event(frame, room) && frame["v"] == v).await;
        }
    }

    /// Reads until a message with this text.
    pub async fn message(&mut self, room: &str, body: &str) -> Value {
        self.until(body, |frame| is_event(frame, room) && frame["data"]["body"] == body).await
    }

    /// Reads to the end, and returns how the connection ended.
    pub async fn until_ended(&mut self) -> Ended {
        let end = async {
            loop {
                if let Err(ended) = self.next().await {
                    return ended;
                }
            }
        };
        timeout(TIMEOUT, end).await.unwrap_or_else(|_| panic!("the connection is still open after {TIMEOUT:?}"))
    }

    /// Reads for a while, or until the connection ends.
    pub async fn listen_for(&mut self, while_: Duration) {
        let _ = timeout(while_, async { while self.next().await.is_ok() {} }).await;
    }

    /// The last version of a room that has arrived or that the subscription started from.
    pub fn version(&self, room: &str) -> u64 {
        self.versions.get(room).copied().unwrap_or_default()
    }

    /// Every frame so far.
    pub fn frames(&self) -> &[Value] {
        &self.frames
    }

    /// Discards the frames so far. The versions are kept.
    pub fn clear_frames(&mut self) {
        self.frames.clear();
    }

    /// The events of a room so far.
    pub fn events(&self, room: &str) -> Vec<&Value> {
        self.frames.iter().filter(|frame| is_event(frame, room)).collect()
    }
}

fn is_event(frame: &Value, room: &str) -> bool {
    frame["room_id"] == room && frame["v"].is_u64()
}
