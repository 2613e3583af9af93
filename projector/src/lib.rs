//! The projector: follows the log and keeps the read models in PostgreSQL.
//!
//! The only writer of read-model tables. Knows nothing of commands, nor of who reads what it writes.

pub use batch::{BatchError, project, project_around_poison};
pub use catch_up::catch_up;
pub use checkpoint::Checkpoint;
pub use commit::{Commit, Content};
pub use database::Database;
pub use projection::Projection;
pub use run::run;

mod catch_up;
mod lease;
mod pacing;
pub mod reader;
pub mod run;
pub mod settings;
mod supervisor;
mod track;

pub mod cli;
mod driver;
pub mod operator;

pub mod batch;
pub mod checkpoint;
pub mod commit;
mod notices;
mod parked;
pub mod projection;

pub mod database;
pub mod generation;
mod status;
