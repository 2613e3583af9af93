//! Closed and open loops.

use std::time::{Duration, Instant};

use mio::{Registry, Token, Waker};

use super::metronome::Metronome;

/// The token of the wakes for due sends.
pub(super) const BEAT: Token = Token(usize::MAX);

/// The largest number of connections for posts and reads over HTTP.
pub(super) const MAX_IN_FLIGHT: usize = 256;

/// The times at which messages or requests are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Closed loop: this number is outstanding at any time, of the messages of each room or of all requests.
    Window(u32),
    /// Open loop: this number a second, whatever is outstanding.
    Rate(u32),
}

impl std::fmt::Display for Pace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Window(size) => write!(formatter, "W{size}"),
            Self::Rate(rate) => write!(formatter, "{rate}/s"),
        }
    }
}

/// The next sends of an open loop.
pub(super) struct Due {
    start: Instant,
    gap: Option<Duration>,
    number: u32,
    _metronome: Option<Metronome>,
}

impl Due {
    /// Starts at `start`. Wakes the poll of this registry with [`BEAT`].
    pub(super) fn start(pace: Pace, start: Instant, registry: &Registry) -> anyhow::Result<Self> {
        let gap = match pace {
            Pace::Window(_) => None,
            Pace::Rate(rate) => Some(Duration::from_secs(1) / rate),
        };
        let metronome = match gap {
            Some(gap) => Some(Metronome::start(Waker::new(registry, BEAT)?, start, gap)?),
            None => None,
        };
        Ok(Self { start, gap, number: 0, _metronome: metronome })
    }

    /// Returns the number of a send that is due, and the time from which on it is.
    pub(super) fn next(&mut self, now: Instant) -> Option<(usize, Instant)> {
        let due = self.start + self.gap? * self.number;
        let number = usize::try_from(self.number).ok()?;
        (due <= now).then(|| {
            self.number += 1;
            (number, due)
        })
    }
}
