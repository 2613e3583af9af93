//! A client of the event stream. It keeps every frame and the last id, as a browser's `EventSource` does.

use std::time::Duration;

use frame_check::FrameCheck;
use reqwest::{Method, Response};
use serde_json::Value;
use tokio::time::timeout;

use crate::{frames::check, person::Person, wait::PATIENCE, world::World};

/// An event stream that is being read.
#[derive(Debug)]
pub struct Listener {
    response: Response,
    check: &'static FrameCheck,
    unread: Vec<u8>,
    frames: Vec<Value>,
    last_id: String,
}

impl Listener {
    /// Opens a stream of these rooms at the n-th query-service. Resumes after an id if there is one.
    pub async fn open(world: &World, index: usize, person: &Person, rooms: &[&str], last_id: Option<&str>) -> Self {
        let opened = Self::try_open(world, index, person, rooms, last_id).await;
        opened.unwrap_or_else(|error| panic!("no event stream: {error:?}"))
    }

    /// As [`Listener::open`], but returns an error if there is no answer or an error status.
    pub async fn try_open(
        world: &World,
        index: usize,
        person: &Person,
        rooms: &[&str],
        last_id: Option<&str>,
    ) -> Result<Self, reqwest::Error> {
        let url = format!("{}/events?rooms={}", world.stack.query_url(index), rooms.join(","));
        let mut request = world.request(Method::GET, &url).bearer_auth(person.token());
        // A stream lasts longer than any other answer.
        request = request.timeout(Duration::from_hours(1));
        if let Some(last_id) = last_id {
            request = request.header("last-event-id", last_id);
        }
        let response = request.send().await?.error_for_status()?;
        let last_id = last_id.unwrap_or_default().to_owned();
        let check = check(&world.stack.query_url(index)).await;
        Ok(Self { response, check, unread: Vec::new(), frames: Vec::new(), last_id })
    }

    /// Returns the next frame, or none if the stream has ended.
    pub async fn next(&mut self) -> Option<Value> {
        self.try_next().await.unwrap_or_else(|error| panic!("the stream broke: {error:?}"))
    }

    /// As [`Listener::next`], but returns an error if the stream broke.
    pub async fn try_next(&mut self) -> Result<Option<Value>, reqwest::Error> {
        loop {
            if let Some(frame) = self.take() {
                self.check.server(&frame).unwrap_or_else(|error| panic!("{error}"));
                self.frames.push(frame.clone());
                return Ok(Some(frame));
            }
            let Some(chunk) = self.response.chunk().await? else { return Ok(None) };
            self.unread.extend_from_slice(&chunk);
        }
    }

    /// Takes the next frame from the received bytes. Ids without an event, comments and `retry` are not frames.
    fn take(&mut self) -> Option<Value> {
        while let Some(end) = self.unread.windows(2).position(|two| two == b"\n\n") {
            let block: Vec<u8> = self.unread.drain(..end + 2).collect();
            let mut data = Vec::new();
            for line in String::from_utf8(block).expect("text").lines() {
                if let Some(id) = line.strip_prefix("id: ") {
                    id.clone_into(&mut self.last_id);
                }
                data.extend(line.strip_prefix("data: ").map(str::to_owned));
            }
            if !data.is_empty() {
                let data = data.join("\n");
                return Some(serde_json::from_str(&data).unwrap_or_else(|error| panic!("{data}: {error}")));
            }
        }
        None
    }

    /// Reads until a frame matches, and returns it.
    pub async fn until(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let search = async {
            loop {
                let frame = self.next().await.unwrap_or_else(|| panic!("the stream ended before {what}"));
                if fits(&frame) {
                    return frame;
                }
            }
        };
        timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("no {what} within {PATIENCE:?}"))
    }

    /// Every frame so far.
    pub fn frames(&self) -> &[Value] {
        &self.frames
    }

    /// Discards the frames so far. The last id is kept.
    pub fn forget(&mut self) {
        self.frames.clear();
    }

    /// The id with which the stream can be resumed.
    pub fn last_id(&self) -> &str {
        &self.last_id
    }
}
