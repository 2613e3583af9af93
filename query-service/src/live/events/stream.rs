//! The body of an answer that goes on and on: each frame as a server-sent event.

use std::{convert::Infallible, time::Duration};

use axum::{body::Bytes, extract::ws::Utf8Bytes};
use domain::RoomId;
use futures::{Stream, stream};
use serde::Deserialize;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use crate::live::{
    cursor::Cursor,
    frames::{Farewell, ServerFrame},
    socket::{GOOD_BYE, NO_PROGRESS, Over},
    transport::Transport,
};

/// More than this does not wait for the next flush.
const CHUNK: usize = 16 * 1024;

/// An answer whose client may be slow.
pub(super) struct EventStream {
    body: mpsc::Sender<Bytes>,
    /// Events that wait for the next flush.
    waiting: Vec<u8>,
    /// How far the client has come once it has what waits.
    cursor: Cursor,
}

/// What has to be known of a frame.
#[derive(Deserialize)]
struct Seen<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    room: Option<RoomId>,
    v: Option<i64>,
    head_v: Option<i64>,
    #[serde(default)]
    recovered: bool,
}

impl EventStream {
    /// A stream for a client that has come this far, and its body. Comments fill it when nothing else does.
    pub(super) fn open(
        cursor: Cursor,
        retry_ms: u64,
        heartbeat: Duration,
    ) -> (Self, impl Stream<Item = Result<Bytes, Infallible>>) {
        let (body, chunks) = mpsc::channel(1);
        let waiting = format!("retry: {retry_ms}\n\n").into_bytes();
        (Self { body, waiting, cursor }, with_comments(chunks, heartbeat * 3 / 5))
    }

    /// Says good-bye and ends the answer.
    pub(super) async fn close(mut self, farewell: Farewell, retry_ms: u64) {
        let (code, reason) = (farewell.code(), farewell.reason());
        self.write(&ServerFrame::Bye { code, retry_ms, reason }.encode());
        // a client that is gone or stuck does not hear it
        let _ = timeout(GOOD_BYE, self.flush()).await;
    }

    fn write(&mut self, frame: &str) {
        let Ok(seen) = serde_json::from_str::<Seen<'_>>(frame) else {
            tracing::warn!("a frame has no type");
            return;
        };
        let kind = seen.kind;
        let id = match (seen.room, seen.v) {
            (Some(room), Some(v)) => {
                self.cursor.set(room, v);
                format!("id: {}\n", self.cursor.encode())
            }
            // an id without an event: also who sees nothing happen can go on from here
            (Some(room), None) if kind == "subscribed" => {
                if let Some(head_v) = seen.head_v.filter(|_| !seen.recovered) {
                    self.cursor.set(room, head_v);
                }
                format!("id: {}\n\n", self.cursor.encode())
            }
            _ => String::new(),
        };
        for part in [&id, "event: ", kind] {
            self.waiting.extend_from_slice(part.as_bytes());
        }
        // white space in JSON may be a new line, which ends a field here
        for line in frame.split(['\r', '\n']) {
            self.waiting.extend_from_slice(b"\ndata: ");
            self.waiting.extend_from_slice(line.as_bytes());
        }
        self.waiting.extend_from_slice(b"\n\n");
    }
}

impl Transport for EventStream {
    async fn receive(&mut self) -> Result<Utf8Bytes, Over> {
        // all that this client can do is go
        self.body.closed().await;
        Err(Over::Gone)
    }

    fn heard_at(&self) -> Instant {
        // whether it is still there shows when it has to take something
        Instant::now()
    }

    async fn feed(&mut self, frame: Utf8Bytes) -> Result<(), Over> {
        self.write(&frame);
        if self.waiting.len() < CHUNK { Ok(()) } else { self.flush().await }
    }

    async fn flush(&mut self) -> Result<(), Over> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::take(&mut self.waiting).into();
        match timeout(NO_PROGRESS, self.body.send(chunk)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Over::Gone),
            Err(_) => Err(Over::Ending(Farewell::TooSlow)),
        }
    }
}

/// These chunks, and a comment whenever none has come for so long.
fn with_comments(chunks: mpsc::Receiver<Bytes>, quiet: Duration) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(chunks, move |mut chunks| async move {
        let chunk = match timeout(quiet, chunks.recv()).await {
            Ok(chunk) => chunk?,
            Err(_) => Bytes::from_static(b":\n\n"),
        };
        Some((Ok(chunk), chunks))
    })
}
