//! What frames travel over: a WebSocket, or the body of an answer that goes on and on.

use axum::extract::ws::Utf8Bytes;
use tokio::time::Instant;

use super::socket::Over;

/// One client's connection, which may be slow.
pub(super) trait Transport {
    /// The client's next frame. Safe to cancel.
    async fn receive(&mut self) -> Result<Utf8Bytes, Over>;

    /// When the client gave its last sign of life.
    fn heard_at(&self) -> Instant;

    /// Queues a frame; it leaves with the next flush at the latest.
    async fn feed(&mut self, frame: Utf8Bytes) -> Result<(), Over>;

    /// Queues a frame that brings the client to a cursor, which is worked out only if it travels with the frame.
    async fn feed_at(&mut self, frame: Utf8Bytes, cursor: impl FnOnce() -> String) -> Result<(), Over>;

    /// Says that the client has come to a cursor without a frame, likewise.
    async fn mark(&mut self, cursor: impl FnOnce() -> String) -> Result<(), Over>;

    /// Sends what is queued.
    async fn flush(&mut self) -> Result<(), Over>;
}
