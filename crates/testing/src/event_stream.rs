//! A client of server-sent events, as strict as a browser.

use std::sync::Arc;

use frame_check::FrameCheck;
use reqwest::Response;
use serde_json::Value;

/// An event stream that is being read. Every frame must match the description of the service.
#[derive(Debug)]
pub struct EventStream {
    check: Arc<FrameCheck>,
    response: Response,
    unread: Vec<u8>,
    /// The last id, as a browser would send it in `Last-Event-ID`.
    pub last_id: String,
    /// The number of received comments.
    pub comments: usize,
    /// The delay before a browser would reconnect.
    pub retry_ms: Option<u64>,
}

impl EventStream {
    /// Reads the response to a request of `/events`.
    pub fn of(response: Response, check: Arc<FrameCheck>) -> Self {
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self { check, response, unread: Vec::new(), last_id: String::new(), comments: 0, retry_ms: None }
    }

    /// Returns the next frame, or none if the stream has ended. The event must have the name of the frame's type.
    pub async fn next(&mut self) -> Result<Option<Value>, reqwest::Error> {
        loop {
            while let Some(block) = self.take_block() {
                if let Some(frame) = self.read(&block) {
                    return Ok(Some(frame));
                }
            }
            let Some(chunk) = self.response.chunk().await? else { return Ok(None) };
            self.unread.extend_from_slice(&chunk);
        }
    }

    fn take_block(&mut self) -> Option<String> {
        let end = self.unread.windows(2).position(|two| two == b"\n\n")?;
        let block: Vec<u8> = self.unread.drain(..end + 2).collect();
        Some(String::from_utf8(block).expect("text"))
    }

    /// Reads the lines up to an empty one. Ids without an event, comments and `retry` are not frames.
    fn read(&mut self, block: &str) -> Option<Value> {
        let (mut event, mut data) = (None, Vec::new());
        for line in block.lines().filter(|line| !line.is_empty()) {
            match line.split_once(": ").unwrap_or((line, "")) {
                ("id", id) => id.clone_into(&mut self.last_id),
                ("event", name) => event = Some(name),
                ("data", line) => data.push(line),
                ("retry", ms) => self.retry_ms = Some(ms.parse().expect("a number")),
                (":", "") => self.comments += 1,
                other => panic!("not a field: {other:?}"),
            }
        }
        if data.is_empty() {
            assert_eq!(event, None, "browsers ignore an event without data");
            return None;
        }
        let data = data.join("\n");
        let frame: Value = serde_json::from_str(&data).unwrap_or_else(|error| panic!("{data}: {error}"));
        self.check.server(&frame).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(event, frame["type"].as_str());
        assert_eq!(block.starts_with("id: "), frame["v"].is_i64(), "an id comes with a version only: {block}");
        Some(frame)
    }
}
