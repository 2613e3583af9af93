//! The service for operators' requests over NATS. The projector that receives a request carries it out in the database
//! under one lock, so that any number of operators may send requests concurrently.

mod audit;
mod operations;
mod service;
mod shared;
mod targets;

pub(crate) use operations::Operations;
pub(crate) use service::{requests as incoming, serve};
