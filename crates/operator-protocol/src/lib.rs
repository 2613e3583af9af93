//! Requests of operators to the running projectors over NATS, and the answers.
//!
//! `boxroomctl` sends the requests. The projector that receives a request carries it out and answers.

pub use audit::{Audit, Audited, Entry, Place};
pub use client::{AskError, Operator};
pub use generation::{Goal, State};
pub use quarantine::{BadEvent, ParkedBox, ParkedBoxes, Retried, ShownBox};
pub use report::{ErasureReport, GenerationReport, Report, StreamReport};
pub use requests::{
    Activate, Concerned, GetStatus, ListParked, Outcome, Pause, Rebuild, Request, Resume, Retire, Retired, RetryParked,
    Rollback, ShowParked, Switched,
};

mod audit;
mod client;
mod generation;
mod quarantine;
mod report;
mod requests;
