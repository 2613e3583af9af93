//! A generation that is written, and the limits of its speed.

use operator_protocol::State;

/// Limits of the speed at which a generation is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BuildLimits {
    /// The maximum rate over all streams, in events per second.
    pub max_rate: Option<u32>,
    /// True if building leaves most of the time to the generations that serve reads.
    pub low_priority: bool,
}

/// A generation that this build writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// Its number: the tables are in schema `read_g<number>`.
    pub number: i32,
    /// The generation's state.
    pub state: State,
    /// Limits of the building speed.
    pub limits: BuildLimits,
}

impl Generation {
    /// Returns true if clients may read this generation.
    pub fn serves_reads(&self) -> bool {
        self.state != State::Building
    }
}
