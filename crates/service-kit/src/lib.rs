//! What every process of Boxroom needs around its own job: settings, HTTP, problems, callers, health, logs, metrics,
//! traces.
//!
//! Knows nothing of the log and of the read models.

pub mod args;
pub mod auth;
pub mod clock;
pub mod docs;
pub mod exit;
pub mod extract;
pub mod health;
pub mod http;
pub mod metrics;
pub mod nats;
pub mod operations;
pub mod problem;
pub mod shutdown;
pub mod telemetry;
pub mod trace;
