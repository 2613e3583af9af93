//! Operators' requests to the running projectors over NATS, and the answers. The projector that receives a request
//! carries it out in the database under one lock, so that any number of operators may send requests concurrently.

pub use client::{AskError, Operator};
pub use requests::{Outcome, Request};

pub mod audit;
pub mod client;
pub mod report;
pub mod requests;

mod operations;
mod service;
mod targets;

pub(crate) use operations::Operations;
pub(crate) use service::{requests as incoming, serve};
