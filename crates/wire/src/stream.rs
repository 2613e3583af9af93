//! The streams of the log: their names, labels and contents.

use std::{fmt, str::FromStr};

use domain::BoxId;
use sha2::{Digest, Sha256};

/// A stream of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StreamName {
    /// One partition of the boxes, their rooms and conversations.
    Box(u16),
    /// Users, and their claims on nicknames and on slots for open rooms.
    User,
    /// The store catalogue, the filters and the reports.
    Store,
    /// Read markers: one message kept per member of a room.
    Mark,
    /// Scheduled messages: the deadlines of rooms.
    Timer,
}

impl StreamName {
    /// The name on the server. Stored; never rename.
    pub fn on_server(self) -> String {
        match self {
            Self::Box(partition) => format!("BOX_{partition}"),
            Self::User => "USER".to_owned(),
            Self::Store => "STORE".to_owned(),
            Self::Mark => "MARK".to_owned(),
            Self::Timer => "TIMER".to_owned(),
        }
    }

    /// The name in positions and checkpoints, like `box-2`. Stored; never rename.
    pub fn label(self) -> String {
        match self {
            Self::Box(partition) => format!("box-{partition}"),
            Self::User => "user".to_owned(),
            Self::Store => "store".to_owned(),
            Self::Mark => "mark".to_owned(),
            Self::Timer => "timer".to_owned(),
        }
    }

    /// Returns true if nothing is ever deleted from the stream, so that a gap in its sequences is damage.
    pub fn is_dense(self) -> bool {
        matches!(self, Self::Box(_) | Self::User | Self::Store)
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label())
    }
}

/// The error for a text that is not the label of a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no stream has this label")]
pub struct UnknownStream;

impl FromStr for StreamName {
    type Err = UnknownStream;

    fn from_str(label: &str) -> Result<Self, UnknownStream> {
        match label {
            "user" => Ok(Self::User),
            "store" => Ok(Self::Store),
            "mark" => Ok(Self::Mark),
            "timer" => Ok(Self::Timer),
            other => {
                let partition = other.strip_prefix("box-").and_then(|number| number.parse().ok());
                let stream = partition.map(Self::Box).ok_or(UnknownStream)?;
                if stream.label() == other { Ok(stream) } else { Err(UnknownStream) }
            }
        }
    }
}

/// Names in the streams' metadata. Stored; never rename.
pub mod metadata {
    /// The incarnation of the stream.
    pub const INCARNATION: &str = "boxroom.incarnation";
    /// The number of partitions with which the log was created.
    pub const PARTITIONS: &str = "boxroom.partitions";
    /// The version of the layout of streams and subjects.
    pub const SCHEMA: &str = "boxroom.schema";
    /// The id of the backup from which the stream was restored, if it was.
    pub const RESTORED: &str = "boxroom.restored";
    /// Set on `USER` if the log has a bucket of user keys, so that a lost one is never replaced by a new one.
    pub const SEALED: &str = "boxroom.sealed";
    /// Set on `USER` to the id of the backup that is being restored.
    pub const RESTORING: &str = "boxroom.restoring";
    /// The prefix of names that the server itself writes.
    pub const SERVER_PREFIX: &str = "_nats.";
}

/// The streams that can be followed, in an order in which a reader may start them.
pub fn streams(partitions: u16) -> Vec<StreamName> {
    let mut all = vec![StreamName::User, StreamName::Store];
    all.extend((0..partitions).map(StreamName::Box));
    all.push(StreamName::Mark);
    all
}

/// Returns the partition of a box. The result is part of every stored subject, so it must never change.
pub fn partition_of(box_id: &BoxId, partitions: u16) -> u16 {
    let digest = Sha256::digest(box_id.as_str().as_bytes());
    let hash = digest.iter().take(8).fold(0_u64, |hash, byte| (hash << 8) | u64::from(*byte));
    u16::try_from(hash % u64::from(partitions.max(1))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_find_their_stream() {
        for stream in streams(3).into_iter().chain([StreamName::Timer]) {
            assert_eq!(stream.label().parse(), Ok(stream));
        }
        for bad in ["", "box", "box-", "box-01", "BOX_0", "box-x", "box-99999"] {
            assert_eq!(bad.parse::<StreamName>(), Err(UnknownStream), "{bad}");
        }
    }

    #[test]
    fn the_partition_of_a_box_never_changes() {
        let partitions: Vec<u16> =
            ["a", "b", "box-1", "box-2", "x_y"].iter().map(|id| partition_of(&id.parse().unwrap(), 4)).collect();
        assert_eq!(partitions, [2, 2, 0, 2, 2]);
    }
}
