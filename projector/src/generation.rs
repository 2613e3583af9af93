//! Generations of the read model. Each is a schema of its own that includes its checkpoints.
//!
//! The states of a generation: `building` → `ready` → `active` ↔ `standby` → `retired`. Every change is one transaction
//! under one lock, so that operators and projectors can request changes concurrently.

pub use activation::{activate, roll_back};
pub use control::writable;
pub use creation::{Origin, create, ensure, rebuild};
pub(crate) use creation::{create_tables, exists};
pub use error::ChangeError;
pub use indexes::add_indexes;
pub use pausing::{pause, resume};
pub use positions::Positions;
pub use report::report;
pub use retirement::{retire, sweep};
pub use state::{BuildLimits, Generation};

mod activation;
pub(crate) mod control;
mod creation;
pub(crate) mod driven;
pub(crate) mod error;
mod indexes;
mod pausing;
pub(crate) mod positions;
mod report;
mod retirement;
pub(crate) mod state;

use sqlx::migrate::MigrateError;

use crate::database::Database;

/// Migrates the tables shared by all generations to this build's version. Safe to run concurrently.
pub async fn migrate(database: &Database) -> Result<(), MigrateError> {
    let mut connection = database.control().await?;
    let mut migrations = sqlx::migrate!("../migrations/control");
    // In a rolling upgrade this build may restart after a newer one has migrated.
    migrations.set_ignore_missing(true).run(&mut connection).await?;
    sqlx::Connection::close(connection).await?;
    Ok(())
}
