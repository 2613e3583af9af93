//! The common parts of all processes: settings, HTTP, problems, authentication, health, logs, metrics, traces.
//!
//! It does not depend on the log or the read models.

pub mod auth;
pub mod clock;
pub mod docs;
pub mod exit;
pub mod extract;
pub mod field_error;
pub mod health;
pub mod http;
pub mod master_key;
pub mod metrics;
pub mod nats;
pub mod operations;
pub mod problem;
pub mod shutdown;
pub mod telemetry;
pub mod time_span;
pub mod trace;
