//! Generations of the read model: each is a schema of its own with its checkpoints inside.
//!
//! A generation's life: `building` → `ready` → `active` ↔ `standby` → `retired`. Every change is one transaction under
//! one lock, so that operators and projectors may want what they want at the same time.

pub use activation::{activate, roll_back};
pub use creation::{Origin, create, ensure, rebuild};
pub(crate) use creation::{exists, make_tables};
pub use indexes::add_indexes;
pub use pausing::{pause, resume};
pub use positions::Positions;
pub use report::report;
pub use retirement::{retire, sweep};

mod activation;
mod creation;
pub(crate) mod driven;
mod indexes;
mod pausing;
mod positions;
mod report;
mod retirement;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, migrate::MigrateError, query};

use crate::database::Database;

/// Where a generation is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is filled from the log and sends no notices.
    Building,
    /// It has caught up, is indexed and sends notices.
    Ready,
    /// Reads are served from it.
    Active,
    /// It was active, and is kept up to date for a rollback.
    Standby,
    /// It is given up.
    Retired,
}

/// How far a generation goes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Until it has caught up and is indexed
    Ready,
    /// Until it was also compared with the active one
    Verified,
    /// Until reads are served from it
    Active,
}

/// How fast a generation is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    /// The most events a second over all streams.
    pub max_rate: Option<u32>,
    /// Whether it gives way to the generations that are read.
    pub low_priority: bool,
}

/// A generation that this build writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// Its number: the tables are in schema `read_g<number>`.
    pub number: i32,
    /// Where it is in its life.
    pub state: State,
    /// How fast it is built.
    pub pace: Pace,
}

/// Why a generation's life does not go on as somebody wished.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The state of things does not allow it; nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// A projector that has to do its part has not done it in time.
    #[error("{0}")]
    Unanswered(String),
    /// The database failed; nothing was changed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The log does not answer.
    #[error(transparent)]
    Log(#[from] event_store::LogError),
}

impl Generation {
    /// Whether somebody may be reading it.
    pub fn is_read(&self) -> bool {
        self.state != State::Building
    }
}

/// Brings the tables that all generations share to what this build needs. Safe to run by several at once.
pub async fn migrate(database: &Database) -> Result<(), MigrateError> {
    let mut connection = database.control().await?;
    let mut migrations = sqlx::migrate!("../migrations/control");
    // In a rolling upgrade this build may start again after a newer one has migrated.
    migrations.set_ignore_missing(true).run(&mut connection).await?;
    sqlx::Connection::close(connection).await?;
    Ok(())
}

/// The generations of this build's read model that are to be written now: neither paused nor being indexed.
pub async fn written(connection: &mut PgConnection) -> Result<Vec<Generation>, sqlx::Error> {
    let rows = query!(
        "select generation, state, max_rate, low_priority
         from control.generations
         where model_version = $1
           and state <> 'retired'
           and phase <> 'indexing'
           and not paused
         order by generation",
        read_model::version()
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let max_rate = row.max_rate.and_then(|rate| u32::try_from(rate).ok());
            let pace = Pace { max_rate, low_priority: row.low_priority };
            Ok(Generation { number: row.generation, state: parsed(&row.state)?, pace })
        })
        .collect()
}

/// One changes generations at a time.
async fn lock(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    query!("select pg_advisory_xact_lock(hashtextextended('boxroom generations', 0)) as locked")
        .fetch_one(connection)
        .await?;
    Ok(())
}

fn refused<T>(reason: impl Into<String>) -> Result<T, ChangeError> {
    Err(ChangeError::Refused(reason.into()))
}

/// A word of the control tables.
fn parsed<T: FromStr<Err = String>>(word: &str) -> Result<T, sqlx::Error> {
    word.parse().map_err(|error: String| sqlx::Error::Decode(error.into()))
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
    fn as_str(self) -> &'static str {
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
