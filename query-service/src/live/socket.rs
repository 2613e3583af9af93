//! One WebSocket: frames are queued and flushed together, and a client that reads nothing is disconnected.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures::{SinkExt, Stream, task::AtomicWaker};
use tokio::time::{Instant, timeout};

use super::{
    close_reason::{CloseReason, Closed},
    frames::{MAX_FRAME, MAX_HELLO, ServerFrame},
    transport::Transport,
};

/// The time after which a client that reads nothing is disconnected.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The timeout for the closing handshake.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A WebSocket to a client that may be slow.
pub(super) struct Socket {
    inner: WebSocket,
    reading: Arc<Reading>,
    /// Wakes `reading`.
    waker: Waker,
    last_received_at: Instant,
}

/// Remembers whether there may be something to read. Most wake-ups of a connection are for deliveries, and an attempt
/// to read costs as much as one.
struct Reading {
    is_possible: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Reading {
    fn wake(self: Arc<Self>) {
        self.is_possible.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl Socket {
    pub(super) fn new(inner: WebSocket) -> Self {
        let reading = Arc::new(Reading { is_possible: AtomicBool::new(true), task: AtomicWaker::new() });
        Self { inner, waker: reading.clone().into(), reading, last_received_at: Instant::now() }
    }

    /// Queues a frame and flushes.
    pub(super) async fn send(&mut self, frame: ServerFrame<'_>) -> Result<(), Closed> {
        self.feed(frame.encode()).await?;
        self.flush().await
    }

    /// Receives the client's first frame, which may be longer than later ones. Cancel-safe.
    pub(super) async fn receive_hello(&mut self) -> Result<Utf8Bytes, Closed> {
        self.receive_within(MAX_HELLO).await
    }

    async fn receive_within(&mut self, longest: usize) -> Result<Utf8Bytes, Closed> {
        loop {
            let message = poll_fn(|context| self.poll_message(context)).await;
            self.last_received_at = Instant::now();
            match message {
                Some(Ok(Message::Text(text))) if text.len() > longest => {
                    return Err(Closed::ByServer(CloseReason::FrameTooLarge));
                }
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Binary(bytes))) if bytes.len() > longest => {
                    return Err(Closed::ByServer(CloseReason::FrameTooLarge));
                }
                // Binary frames are not part of the protocol: rejected like any other invalid text.
                Some(Ok(Message::Binary(_))) => return Ok(Utf8Bytes::from_static("")),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Closed::ByPeer),
            }
        }
    }

    fn poll_message(&mut self, context: &Context<'_>) -> Poll<Option<Result<Message, axum::Error>>> {
        self.reading.task.register(context.waker());
        if !self.reading.is_possible.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let message = Pin::new(&mut self.inner).poll_next(&mut Context::from_waker(&self.waker));
        if message.is_ready() {
            self.reading.is_possible.store(true, Ordering::Release);
        }
        message
    }

    /// Sends a bye with this cursor and closes.
    pub(super) async fn close(mut self, close_reason: CloseReason, spread_ms: u64, cursor: Option<String>) {
        let (code, reason, retry_ms) = (close_reason.code(), close_reason.reason(), close_reason.retry_ms(spread_ms));
        let bye = Message::Text(ServerFrame::Bye { code, retry_ms, reason, cursor }.encode());
        let close = Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) }));
        // Fails if the client has disconnected or reads nothing.
        let _ = timeout(CLOSE_TIMEOUT, async {
            self.inner.feed(bye).await?;
            self.inner.send(close).await?;
            while let Some(Ok(_)) = self.inner.recv().await {}
            Ok::<_, axum::Error>(())
        })
        .await;
    }
}

impl Transport for Socket {
    fn last_received_at(&self) -> Instant {
        self.last_received_at
    }

    async fn receive(&mut self) -> Result<Utf8Bytes, Closed> {
        self.receive_within(MAX_FRAME).await
    }

    async fn feed(&mut self, frame: Utf8Bytes) -> Result<(), Closed> {
        with_timeout(self.inner.feed(Message::Text(frame))).await
    }

    async fn feed_at(&mut self, frame: Utf8Bytes, _: impl FnOnce() -> String) -> Result<(), Closed> {
        // Not needed: pings have the cursor.
        self.feed(frame).await
    }

    async fn mark(&mut self, _: impl FnOnce() -> String) -> Result<(), Closed> {
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Closed> {
        with_timeout(SinkExt::<Message>::flush(&mut self.inner)).await
    }
}

async fn with_timeout(write: impl Future<Output = Result<(), axum::Error>>) -> Result<(), Closed> {
    match timeout(WRITE_TIMEOUT, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Closed::ByPeer),
        Err(_) => Err(Closed::ByServer(CloseReason::TooSlow)),
    }
}
