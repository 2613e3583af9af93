//! The transport of frames: a WebSocket, or the body of an endless response.

use axum::extract::ws::Utf8Bytes;
use tokio::time::Instant;

use super::close_reason::Closed;

/// The connection of one client, which may be slow.
pub(super) trait Transport {
    /// Receives the client's next frame. Cancel-safe.
    async fn receive(&mut self) -> Result<Utf8Bytes, Closed>;

    /// Returns the time at which the client was last known to be alive.
    fn last_received_at(&self) -> Instant;

    /// Queues a frame. It is sent with the next flush at the latest.
    async fn feed(&mut self, frame: Utf8Bytes) -> Result<(), Closed>;

    /// Queues a frame with the cursor after it. The cursor is computed only if the transport sends it.
    async fn feed_at(&mut self, frame: Utf8Bytes, cursor: impl FnOnce() -> String) -> Result<(), Closed>;

    /// Queues a cursor without a frame, likewise.
    async fn mark(&mut self, cursor: impl FnOnce() -> String) -> Result<(), Closed>;

    /// Sends all queued frames.
    async fn flush(&mut self) -> Result<(), Closed>;
}
