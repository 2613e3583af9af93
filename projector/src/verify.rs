//! Compares two generations of the read model at the same positions of the log, row by row, while both are in use.
//!
//! One snapshot covers the tables and checkpoints of both. Boxes with events between the two checkpoints are left out
//! and compared in a later snapshot, until none is left or the timeout ends.

pub use choice::choose;
pub use error::VerifyError;
pub use fresh::{clean_up, verify_fresh};
pub use limits::Limits;
pub use passes::verify;
pub use report::{Difference, TouchingEvent, Verification};

mod choice;
mod compare;
mod error;
mod fresh;
mod limits;
mod passes;
mod report;
mod snapshot;
mod table;
mod trace;
