//! The service for operators' requests over NATS. Any one of the notifiers carries a request out in the database, and
//! announces it to all.

mod dead_pushes;
mod operations;
mod service;
mod webhooks;

pub(crate) use service::{requests as incoming, serve};
