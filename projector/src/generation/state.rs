//! The state and the goal of a generation.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The state of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is filled from the log and sends no notifications.
    Building,
    /// It has caught up, is indexed and sends notifications.
    Ready,
    /// Reads are served from it.
    Active,
    /// It was active, and is kept up to date for a rollback.
    Standby,
    /// It is no longer projected, and its schema is dropped when no reader is left.
    Retired,
}

/// The state up to which the driver takes a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Caught up with the log and indexed
    Ready,
    /// Also compared with the active generation
    Verified,
    /// Also activated: serves reads
    Active,
}

/// Limits of the speed at which a generation is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
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
    pub pace: Pace,
}

impl Generation {
    /// Returns true if clients may read this generation.
    pub fn is_read(&self) -> bool {
        self.state != State::Building
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let all = [Self::Building, Self::Ready, Self::Active, Self::Standby, Self::Retired];
        all.into_iter().find(|state| state.as_str() == word).ok_or_else(|| format!("no state: {word}"))
    }
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Ready => "ready",
            Self::Active => "active",
            Self::Standby => "standby",
            Self::Retired => "retired",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Goal {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let all = [Self::Ready, Self::Verified, Self::Active];
        all.into_iter().find(|goal| goal.as_str() == word).ok_or_else(|| format!("no goal: {word}"))
    }
}

impl Goal {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Verified => "verified",
            Self::Active => "active",
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
