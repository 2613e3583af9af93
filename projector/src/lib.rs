//! The projector: follows the log and keeps the read models in PostgreSQL.
//!
//! It is the only writer of read model tables. It does not know commands or the readers of its tables.

pub use batch::{BatchError, project_batch, project_isolating_failures};
pub use catch_up::catch_up;
pub use checkpoint::Checkpoint;
pub use commit::{Commit, Content};
pub use database::Database;
pub use indexes::complete;
pub use projection::{Projection, ProjectionMode};
pub use reader::Mode;
pub use release::{project_and_release, retry_quarantined};
pub use run::run;
pub use throttle::Throttle;

mod app;
mod catch_up;
mod collect;
mod control_changes;
mod indexes;
mod leader_lock;
mod lease;
pub mod log;
mod prefetch;
mod progress_monitor;
pub mod read_error;
pub mod reader;
mod retries;
mod run;
pub mod settings;
mod supervisor;
mod throttle;
mod track;

mod driver;
mod eraser;
mod operator;

pub mod batch;
pub mod checkpoint;
pub mod commit;
mod notifications;
pub mod projection;
pub mod release;

pub mod quarantine;
pub mod verify;

pub mod database;
pub mod generation;
mod metrics;
mod status;
pub mod traces;
