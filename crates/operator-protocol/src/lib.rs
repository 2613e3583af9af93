//! Requests of operators to the running projectors over NATS, and the answers.
//!
//! `boxroomctl` sends the requests. The projector that receives a request carries it out and answers.

pub use audit::{Audit, AuditCursor, AuditPage, Entry};
pub use client::{OperatorClient, RequestError};
pub use generation::{Goal, State};
pub use quarantine::{FailedEvent, QuarantinedBox, QuarantinedBoxes, Retried, ShownBox};
pub use report::{ErasureReport, GenerationReport, Report, StreamReport};
pub use requests::{
    Activate, ChangedGeneration, GetStatus, ListQuarantined, Outcome, Pause, Rebuild, Request, Resume, Retire, Retired,
    RetryQuarantined, Rollback, ShowQuarantined, Switched,
};

mod audit;
mod client;
mod generation;
mod quarantine;
mod report;
mod requests;
