//! Webhooks: sends the events of boxes to the systems of shops and couriers.
//!
//! The worker of a stream plans matching events as rows, in the transaction that moves the position up to which the
//! webhook has been planned. The content is read from the log at each attempt. The read model is not needed.

pub(crate) mod worker;

mod matching;
mod plan;
pub(crate) mod sender;

mod cursors;
pub(crate) mod deliveries;
mod payload;
pub(crate) mod registry;

pub(crate) mod collect;
