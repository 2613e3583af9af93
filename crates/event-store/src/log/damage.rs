//! Damage to the log. It is distinguished from delay, because waiting does not repair it.

use wire::StreamName;

/// The stored messages are not those that were stored before. The stream must not be projected any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A message is missing from a stream from which nothing is ever deleted.
    #[error("{stream} has a hole: sequence {expected} is missing")]
    Hole {
        /// The stream.
        stream: StreamName,
        /// The first sequence that is missing.
        expected: u64,
    },
    /// The stream ends before a sequence that was already read.
    #[error("{stream} ends at {last}, but {read} was read from it before")]
    Shortened {
        /// The stream.
        stream: StreamName,
        /// The last sequence that was read.
        read: u64,
        /// The last sequence of the stream.
        last: u64,
    },
    /// The stream has another incarnation: it was restored or created again.
    #[error("{stream} is not the same stream as before: it was restored or created again")]
    OtherIncarnation {
        /// The stream.
        stream: StreamName,
    },
    /// A message that is not a commit.
    #[error("{stream} holds a message at {sequence} that is not a commit: {reason}")]
    Unreadable {
        /// The stream.
        stream: StreamName,
        /// The sequence of the message.
        sequence: u64,
        /// The reason.
        reason: String,
    },
}
