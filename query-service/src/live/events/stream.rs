//! The body of an answer that goes on and on: each frame as a server-sent event.

use std::{convert::Infallible, time::Duration};

use axum::{body::Bytes, extract::ws::Utf8Bytes};
use futures::{Stream, stream};
use serde::Deserialize;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use crate::live::{
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
}

/// What has to be known of a frame.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
}

impl EventStream {
    /// A stream, and its body. Comments fill it when nothing else does.
    pub(super) fn open(retry_ms: u64, heartbeat: Duration) -> (Self, impl Stream<Item = Result<Bytes, Infallible>>) {
        let (body, chunks) = mpsc::channel(1);
        let waiting = format!("retry: {retry_ms}\n\n").into_bytes();
        (Self { body, waiting }, with_comments(chunks, heartbeat * 3 / 5))
    }

    /// Says good-bye to a client that has come to this cursor, and ends the answer.
    pub(super) async fn close(mut self, farewell: Farewell, turn: u64, cursor: Option<String>) {
        let (code, reason, retry_ms) = (farewell.code(), farewell.reason(), farewell.retry_ms(turn));
        self.write(&ServerFrame::Bye { code, retry_ms, reason, cursor }.encode());
        // a client that is gone or stuck does not hear it
        let _ = timeout(GOOD_BYE, self.flush()).await;
    }

    fn write(&mut self, frame: &str) {
        let Ok(Named { kind }) = serde_json::from_str(frame) else {
            tracing::warn!("a frame has no type");
            return;
        };
        for part in ["event: ", kind] {
            self.waiting.extend_from_slice(part.as_bytes());
        }
        // white space in JSON may be a new line, which ends a field here
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

    async fn flush_a_lot(&mut self) -> Result<(), Over> {
        if self.waiting.len() < CHUNK { Ok(()) } else { self.flush().await }
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
        self.flush_a_lot().await
    }

    async fn feed_at(&mut self, frame: Utf8Bytes, cursor: impl FnOnce() -> String) -> Result<(), Over> {
        self.write_id(&cursor(), "\n");
        self.feed(frame).await
    }

    async fn mark(&mut self, cursor: impl FnOnce() -> String) -> Result<(), Over> {
        // an id without an event: also who sees nothing happen can go on from here
        self.write_id(&cursor(), "\n\n");
        self.flush_a_lot().await
    }

    async fn flush(&mut self) -> Result<(), Over> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        match timeout(NO_PROGRESS, self.body.reserve()).await {
            // what cannot be sent keeps waiting: the good-bye must not overtake it
            Ok(Ok(place)) => {
                place.send(std::mem::take(&mut self.waiting).into());
                Ok(())
            }
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
