//! What operators ask of the running projectors over NATS, and what they are told. Whichever projector hears a request
//! carries it out in the database, under one lock: any number of operators may ask at once.

pub use client::{AskError, Operator};
pub use requests::{Outcome, Request};

pub mod audit;
pub mod client;
pub mod report;
pub mod requests;

mod operations;
mod service;

pub(crate) use operations::Operations;
pub(crate) use service::{requests as incoming, serve};
