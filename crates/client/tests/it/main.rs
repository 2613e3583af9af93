//! The client against a scripted server, and against the real services.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod closing;
mod order;
mod stack;
mod tail;
mod user;

mod peer;
