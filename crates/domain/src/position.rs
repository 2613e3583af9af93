//! The position of an event in the log, as `Event-Position` and `Min-Position` carry it. Opaque to clients.

use std::{fmt, str::FromStr};

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
}
