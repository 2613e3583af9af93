//! The client against a scripted server, and against the real services.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod conformance;
mod stack;
mod tail;

mod peer;
