//! Test clients: they use Boxroom only through HTTP, WebSocket and NATS.
//!
//! A client panics if an expectation fails, and its message names the expectation.

#![expect(clippy::missing_panics_doc, reason = "to panic is how these clients say that a test has failed")]

pub mod world;

pub mod person;

pub mod api;

mod frames;
pub mod listener;
pub mod live;
pub mod log;
pub mod memory;
pub mod pushes;
pub mod raw;

pub use listener::Listener;
pub use live::Live;
pub use person::{Command, Person};
pub use world::World;
