//! Generations of the read model. Each is a schema of its own that includes its checkpoints.
//!
//! The states of a generation: `building` → `ready` → `active` ↔ `standby` → `retired`. Every change is one transaction
//! under one lock, so that operators and projectors can request changes concurrently.

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

use crate::{database::Database, lease};

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

/// The reason why a generation's state was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The current state does not allow the change; nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// A projector did not do its part in time.
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
    /// Returns true if clients may read this generation.
    pub fn is_read(&self) -> bool {
        self.state != State::Building
    }
}

/// Migrates the tables shared by all generations to this build's version. Safe to run concurrently.
pub async fn migrate(database: &Database) -> Result<(), MigrateError> {
    let mut connection = database.control().await?;
    let mut migrations = sqlx::migrate!("../migrations/control");
    // In a rolling upgrade this build may restart after a newer one has migrated.
    migrations.set_ignore_missing(true).run(&mut connection).await?;
    sqlx::Connection::close(connection).await?;
    Ok(())
}

/// Returns the generations of a version to write now (neither retired, paused nor being indexed) and the number of
/// running projectors of this version. Each of them holds one shared lock on its lease connection. Asked often, so it is
/// one query.
pub async fn written(
    connection: &mut PgConnection,
    model_version: &str,
) -> Result<(Vec<Generation>, i64), sqlx::Error> {
    let rows = query!(
        r#"select running.count as "projectors!", generation as "generation?", state as "state?", max_rate,
             low_priority as "low_priority?"
           from (
             select count(*)
             from pg_locks
             where locktype = 'advisory'
               and objsubid = 1
               and mode = 'ShareLock'
               and granted
               and database = (select oid from pg_database where datname = current_database())
               and (classid::bigint << 32) | objid::bigint = hashtextextended($2, 0)
           ) as running
           left join control.generations
             on model_version = $1 and state <> 'retired' and phase <> 'indexing' and not paused
           order by generation"#,
        model_version,
        lease::presence_name(model_version)
    )
    .fetch_all(connection)
    .await?;
    let projectors = rows.first().map_or(0, |row| row.projectors);
    let mut generations = Vec::with_capacity(rows.len());
    for row in rows {
        let (Some(number), Some(state), Some(low_priority)) = (row.generation, row.state, row.low_priority) else {
            continue;
        };
        let max_rate = row.max_rate.and_then(|rate| u32::try_from(rate).ok());
        generations.push(Generation { number, state: parsed(&state)?, pace: Pace { max_rate, low_priority } });
    }
    Ok((generations, projectors))
}

/// Locks all generations for the current transaction: one change at a time.
async fn lock(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    query!("select pg_advisory_xact_lock(hashtextextended('boxroom generations', 0)) as locked")
        .fetch_one(connection)
        .await?;
    Ok(())
}

fn refused<T>(reason: impl Into<String>) -> Result<T, ChangeError> {
    Err(ChangeError::Refused(reason.into()))
}

/// Parses a word of the control tables.
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
