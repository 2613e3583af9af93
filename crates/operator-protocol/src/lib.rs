//! Requests of operators to the running projectors and notifiers over NATS, and the answers.
//!
//! `boxroomctl` sends the requests. The process that receives a request carries it out and answers.

pub use audit::{Audit, AuditCursor, AuditPage, Entry};
pub use client::{OperatorClient, RequestError};
pub use dead_pushes::{DeadPush, DeadPushes, DropDeadPush, Dropped, ListDeadPushes, RetryDeadPush, ShowDeadPush};
pub use generation::{Goal, State};
pub use quarantine::{FailedEvent, QuarantinedBox, QuarantinedBoxes, Retried, ShownBox};
pub use report::{ErasureReport, GenerationReport, Report, StreamReport};
pub use requests::{
    Activate, ChangedGeneration, GetStatus, ListQuarantined, Outcome, Pause, Rebuild, Request, Resume, Retire, Retired,
    RetryQuarantined, Rollback, Service, ShowQuarantined, Switched,
};
pub use webhooks::{
    AddWebhook, AddedWebhook, ListWebhooks, PauseWebhook, RemoveWebhook, RemovedWebhook, ReplayWebhook, ResumeWebhook,
    ShowWebhook, ShownWebhook, Webhook, WebhookCounts, WebhookFailure, WebhookProgress,
};

mod audit;
mod client;
mod dead_pushes;
mod generation;
mod quarantine;
mod report;
mod requests;
mod webhooks;
