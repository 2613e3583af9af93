//! The states of a generation of the read model, and the goals of its rebuild. Their names are stored in the control
//! tables; never rename.

use std::{fmt, str::FromStr};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The state of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Caught up with the log and indexed
    Ready,
    /// Also compared with the active generation
    Verified,
    /// Also activated: serves reads
    Active,
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Building, Self::Ready, Self::Active, Self::Standby, Self::Retired];
        all.into_iter().find(|state| state.as_str() == text).ok_or_else(|| format!("no state: {text}"))
    }
}

impl State {
    /// Returns the name in the control tables and in answers.
    pub fn as_str(self) -> &'static str {
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

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Ready, Self::Verified, Self::Active];
        all.into_iter().find(|goal| goal.as_str() == text).ok_or_else(|| format!("no goal: {text}"))
    }
}

impl Goal {
    /// Returns the name in the control tables and in answers.
    pub fn as_str(self) -> &'static str {
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
