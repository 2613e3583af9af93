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

use std::str::FromStr;

use operator_protocol::State;
use sqlx::{PgConnection, migrate::MigrateError, query};

use crate::database::Database;

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

/// Returns this build's generations to write now: neither retired, paused nor being indexed.
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
