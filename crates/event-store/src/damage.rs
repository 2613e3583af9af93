//! Damage to the log: told apart from delay, because it does not heal by waiting.

use crate::stream::StreamName;

/// What is stored is not what was stored before. Nothing may be projected any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A message is missing, from a stream of which nothing is ever deleted.
    #[error("{stream} has a hole: sequence {expected} is missing")]
    Hole {
        /// The stream.
        stream: StreamName,
        /// The first sequence that is missing.
        expected: u64,
    },
    /// The stream ends before what was read from it.
    #[error("{stream} ends at {last}, but {read} was read from it before")]
    Shortened {
        /// The stream.
        stream: StreamName,
        /// What was read.
        read: u64,
        /// Where it ends.
        last: u64,
    },
    /// It is another stream than before: restored, or created anew.
    #[error("{stream} is another one than before: restored, or created anew")]
    OtherIncarnation {
        /// The stream.
        stream: StreamName,
    },
    /// A message that cannot be understood as part of the log at all.
    #[error("{stream} holds at {sequence} what is no commit: {reason}")]
    Unreadable {
        /// The stream.
        stream: StreamName,
        /// Where.
        sequence: u64,
        /// Why.
        reason: String,
    },
}
