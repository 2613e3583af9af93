//! The client against a server that behaves as badly as a test wants, and against the real thing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod closing;
mod order;
mod stack;
mod tail;
mod user;

mod peer;
