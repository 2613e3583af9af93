//! The body of an endless response: each frame is a server-sent event.

use std::{convert::Infallible, time::Duration};

use axum::{body::Bytes, extract::ws::Utf8Bytes};
use futures::{Stream, stream};
use serde::Deserialize;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use crate::live::{
    close_reason::{CloseReason, Closed},
    frames::ServerFrame,
    socket::{CLOSE_TIMEOUT, WRITE_TIMEOUT},
    transport::Transport,
};

/// The size in bytes from which waiting events are sent without a flush.
const CHUNK: usize = 16 * 1024;

/// A streamed response to a client that may be slow.
pub(super) struct EventStream {
    body: mpsc::Sender<Bytes>,
    /// Encoded events that wait for the next flush.
    waiting: Vec<u8>,
}

/// The type of a frame.
#[derive(Deserialize)]
struct FrameType<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
}

impl EventStream {
    /// Returns a stream and its body. Comments fill pauses of the body.
    pub(super) fn open(retry_ms: u64, heartbeat: Duration) -> (Self, impl Stream<Item = Result<Bytes, Infallible>>) {
        let (body, chunks) = mpsc::channel(1);
        let waiting = format!("retry: {retry_ms}\n\n").into_bytes();
        (Self { body, waiting }, with_comments(chunks, heartbeat * 3 / 5))
    }

    /// Sends a bye with this cursor and ends the response.
    pub(super) async fn close(mut self, close_reason: CloseReason, spread_ms: u64, cursor: Option<String>) {
        let (code, reason, retry_ms) = (close_reason.code(), close_reason.reason(), close_reason.retry_ms(spread_ms));
        self.write(&ServerFrame::Bye { code, retry_ms, reason, cursor }.encode());
        // Fails if the client has disconnected or reads nothing.
        let _ = timeout(CLOSE_TIMEOUT, self.flush()).await;
    }

    fn write(&mut self, frame: &str) {
        let Ok(FrameType { kind }) = serde_json::from_str(frame) else {
            tracing::warn!("a frame has no type");
            return;
        };
        for part in ["event: ", kind] {
            self.waiting.extend_from_slice(part.as_bytes());
        }
        // White space in JSON may be a line break, which ends a field here.
        for line in frame.split(['\r', '\n']) {
            self.waiting.extend_from_slice(b"\ndata: ");
            self.waiting.extend_from_slice(line.as_bytes());
        }
        self.waiting.extend_from_slice(b"\n\n");
    }

    fn write_id(&mut self, cursor: &str, end: &str) {
        for part in ["id: ", cursor, end] {
            self.waiting.extend_from_slice(part.as_bytes());
        }
    }

    async fn flush_if_large(&mut self) -> Result<(), Closed> {
        if self.waiting.len() < CHUNK { Ok(()) } else { self.flush().await }
    }
}

impl Transport for EventStream {
    async fn receive(&mut self) -> Result<Utf8Bytes, Closed> {
        // The client cannot send anything, only disconnect.
        self.body.closed().await;
        Err(Closed::ByPeer)
    }

    fn last_received_at(&self) -> Instant {
        // A lost client is noticed when a write fails.
        Instant::now()
    }

    async fn feed(&mut self, frame: Utf8Bytes) -> Result<(), Closed> {
        self.write(&frame);
        self.flush_if_large().await
    }

    async fn feed_at(&mut self, frame: Utf8Bytes, cursor: impl FnOnce() -> String) -> Result<(), Closed> {
        self.write_id(&cursor(), "\n");
        self.feed(frame).await
    }

    async fn mark(&mut self, cursor: impl FnOnce() -> String) -> Result<(), Closed> {
        // An id without an event, so that clients of quiet rooms can resume as well.
        self.write_id(&cursor(), "\n\n");
        self.flush_if_large().await
    }

    async fn flush(&mut self) -> Result<(), Closed> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        match timeout(WRITE_TIMEOUT, self.body.reserve()).await {
            // Events that cannot be sent stay queued, so that the bye cannot overtake them.
            Ok(Ok(permit)) => {
                permit.send(std::mem::take(&mut self.waiting).into());
                Ok(())
            }
            Ok(Err(_)) => Err(Closed::ByPeer),
            Err(_) => Err(Closed::ByServer(CloseReason::TooSlow)),
        }
    }
}

/// Forwards these chunks, and adds a comment after each pause of length `idle`.
fn with_comments(chunks: mpsc::Receiver<Bytes>, idle: Duration) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(chunks, move |mut chunks| async move {
        let chunk = match timeout(idle, chunks.recv()).await {
            Ok(chunk) => chunk?,
            Err(_) => Bytes::from_static(b":\n\n"),
        };
        Some((Ok(chunk), chunks))
    })
}
