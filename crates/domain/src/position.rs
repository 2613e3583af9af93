//! The position of an event in the log, as `Event-Position` and `Min-Position` carry it. Opaque to clients.

use std::{fmt, str::FromStr};

use sha2::{Digest, Sha256};

use crate::ids::BoxId;

/// A position in one stream of the log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position {
    /// The stream's label as checkpoints name it, like `box-2`, `user` or `store`.
    pub stream: String,
    /// The incarnation of the stream. It changes when a log is restored, so that old positions are recognised.
    pub incarnation: String,
    /// The sequence in the stream, from 1. The value 0 is before the first event.
    pub sequence: u64,
}

/// The error for a text that is not a position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be the value of an Event-Position header")]
pub struct InvalidPosition;

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.stream, self.incarnation, self.sequence)
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let plain = |part: &&str| {
            !part.is_empty() && part.len() <= 40 && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let mut parts = text.splitn(3, '.');
        let stream = parts.next().filter(plain).ok_or(InvalidPosition)?;
        let incarnation = parts.next().filter(plain).ok_or(InvalidPosition)?;
        let digits = parts.next().filter(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
        let sequence: i64 = digits.and_then(|digits| digits.parse().ok()).ok_or(InvalidPosition)?;
        Ok(Self { stream: stream.to_owned(), incarnation: incarnation.to_owned(), sequence: sequence.unsigned_abs() })
    }
}

/// Returns the partition of a box. The result is part of every stored subject, so it must never change.
pub fn partition_of(box_id: &BoxId, partitions: u16) -> u16 {
    let digest = Sha256::digest(box_id.as_str().as_bytes());
    let hash = digest.iter().take(8).fold(0_u64, |hash, byte| (hash << 8) | u64::from(*byte));
    u16::try_from(hash % u64::from(partitions.max(1))).unwrap_or_default()
}

/// Returns the label of the stream that holds a box, as positions and checkpoints name it.
pub fn stream_of(box_id: &BoxId, partitions: u16) -> String {
    format!("box-{}", partition_of(box_id, partitions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_text_form() {
        let position = Position { stream: "box-2".into(), incarnation: "4f2a".into(), sequence: 42 };
        assert_eq!(position.to_string().parse(), Ok(position));
        for bad in [
            "",
            "box-2",
            "box-2.4f2a",
            "box-2.4f2a.",
            "box-2.4f2a.-1",
            "box-2..1",
            "a.b.99999999999999999999",
            "a.b.1.2",
        ] {
            assert_eq!(bad.parse::<Position>(), Err(InvalidPosition), "{bad:?}");
        }
    }

    #[test]
    fn the_partition_of_a_box_never_changes() {
        let partitions: Vec<u16> =
            ["a", "b", "box-1", "box-2", "x_y"].iter().map(|id| partition_of(&id.parse().unwrap(), 4)).collect();
        assert_eq!(partitions, [2, 2, 0, 2, 2]);
    }
}
