//! Positions in several streams of the log, as one token. Opaque to clients.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, de::Error};

use crate::position::{InvalidPosition, Position};

/// The maximum number of streams: as many as a log has partitions.
pub const MAX_STREAMS: usize = 64;

/// The maximum length of the token: a position of 100 characters and a separator for each stream.
pub const MAX_LENGTH: usize = MAX_STREAMS * 101;

/// The separator of the positions. No position contains it.
const SEPARATOR: char = '_';

/// At most one position in each of some streams, and at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionVector(BTreeMap<String, Position>);

impl PositionVector {
    /// Creates a vector. Returns none without a position, or with too many.
    pub fn new(positions: impl IntoIterator<Item = Position>) -> Option<Self> {
        let positions = positions.into_iter().map(|position| (position.stream.clone(), position));
        Some(Self(positions.collect())).filter(|Self(all)| (1..=MAX_STREAMS).contains(&all.len()))
    }

    /// Returns the positions, ordered by stream.
    pub fn positions(&self) -> impl Iterator<Item = &Position> {
        self.0.values()
    }
}

impl fmt::Display for PositionVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, position) in self.0.values().enumerate() {
            if index > 0 {
                write!(f, "{SEPARATOR}")?;
            }
            write!(f, "{position}")?;
        }
        Ok(())
    }
}

impl FromStr for PositionVector {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        if text.len() > MAX_LENGTH {
            return Err(InvalidPosition);
        }
        let positions: Vec<Position> = text.split(SEPARATOR).map(str::parse).collect::<Result<_, _>>()?;
        let count = positions.len();
        Self::new(positions).filter(|Self(all)| all.len() == count).ok_or(InvalidPosition)
    }
}

impl<'de> Deserialize<'de> for PositionVector {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        text.parse().map_err(|InvalidPosition| D::Error::custom("must be the `up_to` of a list or frame of alarms"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(stream: &str, sequence: u64) -> Position {
        Position { stream: stream.to_owned(), incarnation: "i-1".to_owned(), sequence }
    }

    #[test]
    fn a_vector_survives_its_text_form() {
        let vector = PositionVector::new([position("box-1", 7), position("box-0", 0)]).unwrap();
        assert_eq!(vector.to_string(), "box-0.i-1.0_box-1.i-1.7");
        assert_eq!(vector.to_string().parse(), Ok(vector));
    }

    #[test]
    fn a_malformed_or_long_text_is_rejected() {
        let repeated = "box-0.i.1_box-0.i.2";
        let many = (0..=MAX_STREAMS).map(|n| position(&format!("box-{n}"), 1).to_string()).collect::<Vec<_>>();
        let long = format!("box-0.i.{}", "1".repeat(MAX_LENGTH));
        for bad in ["", "_", "box-0.i.1_", "box-0.i.x", repeated, &many.join("_"), &long] {
            assert_eq!(bad.parse::<PositionVector>(), Err(InvalidPosition), "{bad}");
        }
        assert!(many[1..].join("_").parse::<PositionVector>().is_ok());
        assert_eq!(PositionVector::new([]), None);
    }
}
