//! A client of the event stream. It keeps every frame and the last id, as a browser's `EventSource` does.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use testing::{EventStream, wait::TIMEOUT};
use tokio::time::timeout;

use crate::{frames::check, person::Person, world::World};

/// An event stream that is being read.
#[derive(Debug)]
pub struct Listener {
    stream: EventStream,
    frames: Vec<Value>,
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
        let mut stream = EventStream::of(response, check(&world.stack.query_url(index)).await);
        last_id.unwrap_or_default().clone_into(&mut stream.last_id);
        Ok(Self { stream, frames: Vec::new() })
    }

    /// Returns the next frame, or none if the stream has ended.
    pub async fn next(&mut self) -> Option<Value> {
        self.try_next().await.unwrap_or_else(|error| panic!("the stream broke: {error:?}"))
    }

    /// As [`Listener::next`], but returns an error if the stream broke.
    pub async fn try_next(&mut self) -> Result<Option<Value>, reqwest::Error> {
        let frame = self.stream.next().await?;
        self.frames.extend(frame.clone());
        Ok(frame)
    }

    /// Reads until a frame matches, and returns it.
    pub async fn until(&mut self, what: &str, matches: impl Fn(&Value) -> bool) -> Value {
        let search = async {
            loop {
                let frame = self.next().await.unwrap_or_else(|| panic!("the stream ended before {what}"));
                if matches(&frame) {
                    return frame;
                }
            }
        };
        timeout(TIMEOUT, search).await.unwrap_or_else(|_| panic!("no {what} within {TIMEOUT:?}"))
    }

    /// Every frame so far.
    pub fn frames(&self) -> &[Value] {
        &self.frames
    }

    /// Discards the frames so far. The last id is kept.
    pub fn clear_frames(&mut self) {
        self.frames.clear();
    }

    /// The id with which the stream can be resumed.
    pub fn last_id(&self) -> &str {
        &self.stream.last_id
    }
}
